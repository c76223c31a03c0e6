/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A world in which the power may fail: what was not synced is lost then.
 *
 * It stands in for fsync() and fdatasync() of the whole program, and keeps what
 * the files of one directory were when they were synced last.  A file's name is
 * durable when the directory is, its content when the file is.
 */
#ifndef STORE_WORLD_H
#define STORE_WORLD_H

#include <stdbool.h>

/**
 * world_begin() - watch a directory, which is empty
 * @dir: its path, without symbolic links in it
 */
void world_begin(const char *dir);
void world_end(void);

/**
 * world_cut() - what a power cut would leave now
 * @target: a directory to put it in; made, or emptied
 *
 * Return: false if it could not be written.
 */
bool world_cut(const char *target);

#endif /* STORE_WORLD_H */
