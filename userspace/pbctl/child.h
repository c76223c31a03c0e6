/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another program's output.
 */
#ifndef PBCTL_CHILD_H
#define PBCTL_CHILD_H

#include <stdio.h>

/**
 * child_output() - run a program and take what it prints
 * @argv: its command line; the program is looked for in PATH
 * @ms: how long it may take
 * @out: gets what it writes to standard output and error, and a line in
 *	brackets if it cannot be run, fails or takes too long
 *
 * Return: its exit status; -1 if it has none.
 */
int child_output(const char * const *argv, unsigned int ms, FILE *out);

#endif /* PBCTL_CHILD_H */
