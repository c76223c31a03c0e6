/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of pbviewd share.
 */
#ifndef PBVIEWD_H
#define PBVIEWD_H

#include <systemd/sd-daemon.h>

#include "config.h"
#include "libpb.h"

/**
 * pv_log() - one line for the journal, or stderr
 * @level: SD_ERR, SD_WARNING, SD_NOTICE, SD_INFO or SD_DEBUG
 * @fmt: the line, without a newline
 *
 * Context: any thread.
 */
void pv_log(const char *level, const char *fmt, ...) pb_printf(2, 3);

/**
 * pv_log_debug() - say more, or less, from now on
 * @on: also what is SD_DEBUG
 */
void pv_log_debug(bool on);

/**
 * pv_serve() - be the view server, until told to end
 * @config: with @is_server
 *
 * Return: exit status.
 */
int pv_serve(const struct pb_config *config);

/**
 * pv_run_node() - be the node's daemon, until told to end
 * @config: with a @node
 *
 * Return: exit status.
 */
int pv_run_node(const struct pb_config *config);

#endif /* PBVIEWD_H */
