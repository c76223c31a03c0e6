/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is wrong with a volume, and what to do about it.
 */
#ifndef PBCTL_ADVICE_H
#define PBCTL_ADVICE_H

#include "libpb.h"

#define MAX_ADVICE	12
#define ADVICE_LEN	640

/**
 * struct advice - what is wrong with a volume and what to do
 * @nr: lines
 * @states: the state that each is about: a word of advice_state()
 * @lines: for a person
 */
struct advice {
	unsigned int	nr;
	const char	*states[MAX_ADVICE];
	char		lines[MAX_ADVICE][ADVICE_LEN];
};

/**
 * advise() - find what is wrong, worst first
 * @status: of the volume
 * @name: of its device
 * @advice: filled; a line for each state that it is in
 */
void advise(const struct pb_ioc_status *status, const char *name,
	    struct advice *advice);

/**
 * advice_state() - the states that there is advice for
 * @index: from 0 on
 *
 * Return: a word, or NULL after the last.
 */
const char *advice_state(unsigned int index);

#endif /* PBCTL_ADVICE_H */
