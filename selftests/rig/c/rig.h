/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest's first process and the command agent share, and the frame
 * that the agent and the host (agent.py) exchange over a virtio-serial port.
 */
#ifndef PBRIG_H
#define PBRIG_H

#include <stdint.h>

/* Host to guest. */
#define RIG_EXEC	'X'	/* cwd NUL command NUL flags NUL [K=V NUL]... */
#define RIG_STDIN	'I'	/* bytes for the job's stdin; empty = end of file */
#define RIG_KILL	'K'	/* le32 signal, to the job's whole session */
#define RIG_SEED	'S'	/* bytes to credit as entropy */
/* Guest to host. */
#define RIG_HELLO	'H'	/* boot finished; text: kernel release */
#define RIG_OUTPUT	'O'	/* bytes the job wrote */
#define RIG_EXIT	'E'	/* le32 exit code, or 128 + signal */

#define RIG_MAX_FRAME	(1u << 20)

struct rig_frame {
	uint32_t len;		/* of the payload that follows */
	uint32_t id;		/* job */
	uint32_t type;
};

#define RIG_BIN	"/run/pbrig/bin"
#define RIG_PATH RIG_BIN ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void agent_main(const char *node) __attribute__((noreturn));

#endif
