// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl up and down: what create and remove do, for volumes of the configuration.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "pbctl.h"

enum {
	OPT_CONFIG = 256,
	OPT_ALL,
	OPT_SYNCED,
	OPT_BLANK,
	OPT_WAIT,
	OPT_RETRY,
	OPT_UNMOUNT,
};

/* Between two looks at a volume that waits for its view. */
#define LOOK_MS		50
/* Between two tries to unmount, and how long one may take. */
#define UNMOUNT_MS	200
#define UMOUNT_LIMIT_MS	10000

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "declare-synced", no_argument, NULL, OPT_SYNCED },
	{ "blank", no_argument, NULL, OPT_BLANK },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "retry", required_argument, NULL, OPT_RETRY },
	{ "unmount", no_argument, NULL, OPT_UNMOUNT },
	{ }
};

void load_config(const char *dir, struct pb_config *config)
{
	int ret = pb_config_load(dir, config, stderr);

	if (ret == -ENOMEM)
		fail("no memory");
	/* It has said what is wrong. */
	if (ret)
		exit(EXIT_FAILED);
}

const struct pb_volume_config *config_volume(const struct pb_config *config,
					     const char *spec)
{
	const struct pb_volume_config *volume = pb_config_volume(config, spec);

	if (!volume)
		fail("there is no volume '%s' in %s/%s: each has a file there, NAME.conf",
		     spec, config->dir, PB_CONFIG_VOLUMES);
	return volume;
}

/**
 * struct wish - the command line
 * @dir: of the configuration
 * @all: every volume that has a replica on this node
 * @declare: how a new replica is to be declared, or NULL
 * @wait_ms: wait so long for the view, or 0
 * @retry: for how long one that is in use is to be taken down again, or NULL
 * @retry_ms: the same, in ms
 * @unmount: unmount what is mounted of it before
 * @names: of volumes, if not all
 */
struct wish {
	const char	*dir;
	bool		all;
	char		*declare;
	u32		wait_ms;
	char		*retry;
	u32		retry_ms;
	bool		unmount;
	char		**names;
};

static void parse(struct wish *wish, int argc, char **argv, bool up)
{
	int option;

	while ((option = next_option(argc, argv, options)) != -1) {
		switch (option) {
		case OPT_CONFIG:
			wish->dir = optarg;
			break;
		case OPT_ALL:
			wish->all = true;
			break;
		case OPT_WAIT:
			if (!up)
				usage_error("--wait is for 'up'");
			wish->wait_ms = option_ms("--wait");
			break;
		case OPT_RETRY:
			if (up)
				usage_error("--retry is for 'down'");
			wish->retry_ms = option_ms("--retry");
			wish->retry = optarg;
			break;
		case OPT_UNMOUNT:
			if (up)
				usage_error("--unmount is for 'down'");
			wish->unmount = true;
			break;
		default:
			if (!up)
				usage_error("--declare-synced and --blank are for 'up'");
			if (wish->declare)
				usage_error("--declare-synced or --blank, not both");
			wish->declare = option == OPT_BLANK ?
					"--blank" : "--declare-synced";
		}
	}
	if (wish->all && wish->declare)
		usage_error("what a new replica is worth is said for one volume at a time");
	wish->names = want_args(argc, argv, !wish->all, wish->all ? 0 : argc);
}

static bool is_up(const char *name)
{
	struct pb_ioc_dev dev;
	struct pb_error err;

	return !pb_dm_find(name, &dev, &err);
}

static int bring_up(const struct pb_volume_config *volume, int self,
		    char *declare)
{
	const struct pb_replica_config *replica = &volume->replicas[self];
	char uuid[PB_UUID_TEXT], lease[12];
	char *argv[16];
	int argc = 0;

	if (is_up(volume->name)) {
		printf("%s is up\n", volume->name);
		return EXIT_SUCCESS;
	}
	argv[argc++] = "create";
	argv[argc++] = (char *)volume->name;
	argv[argc++] = "--data";
	argv[argc++] = replica->data;
	if (replica->meta) {
		argv[argc++] = "--meta";
		argv[argc++] = replica->meta;
	}
	snprintf(lease, sizeof(lease), "%u", volume->lease_ms);
	argv[argc++] = "--lease-ms";
	argv[argc++] = lease;
	argv[argc++] = "--reads";
	argv[argc++] = (char *)pb_reads_name(volume->reads);
	/* Another volume's superblock there is refused by that. */
	argv[argc++] = "--volume";
	argv[argc++] = pb_uuid_text(volume->uuid, uuid);
	if (declare)
		argv[argc++] = declare;
	argv[argc] = NULL;
	optind = 0;
	return verb_create.run(argc, argv);
}

/* Until it has been told its view, and serves if it is the primary there. */
static int await_view(const char *name, u32 wait_ms)
{
	u64 end = pb_boot_ms() + wait_ms;
	struct pb_ioc_status status;
	struct pb_ioc_dev dev;
	struct pb_ctl ctl;

	if (!wait_ms)
		return EXIT_SUCCESS;
	open_volume(name, &ctl, &dev);
	for (;;) {
		get_status(&ctl, &dev, &status);
		if (status.role != PB_ROLE_UNCONFIRMED && !status.hold_left_ms)
			break;
		if (pb_boot_ms() >= end)
			fail("%s is up, and was told no view for %u s: 'pbctl volumes' says who is waited for; does pbviewd run here?",
			     name, wait_ms / 1000);
		poll(NULL, 0, LOOK_MS);
	}
	printf("%s: %s, view %llu\n", name, pb_role_name(status.role),
	       (unsigned long long)status.view.number);
	pb_ctl_close(&ctl);
	return EXIT_SUCCESS;
}

static bool is_mounted(const struct pb_ioc_dev *dev)
{
	unsigned int major, minor;
	char line[4096];
	bool found = false;
	FILE *file = fopen("/proc/self/mountinfo", "r");

	if (!file)
		fail("/proc/self/mountinfo: %m");
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 &&
			major == dev->major && minor == dev->minor;
	fclose(file);
	return found;
}

/*
 * What uses it may still be ending, when a host is shut down: again and again.  As
 * long as the network is there the file system can write, and it is no more later.
 */
static void unmount(const char *name, u32 retry_ms)
{
	char path[PB_DM_NAME_LEN + sizeof("/dev/mapper/")];
	const char *argv[4] = { "umount", "--all-targets", path };
	u64 end = pb_boot_ms() + retry_ms;
	struct pb_ioc_dev dev;
	struct pb_error err;
	size_t size;
	char *said = NULL;
	FILE *out;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	while (!pb_dm_find(name, &dev, &err) && is_mounted(&dev)) {
		if (said && pb_boot_ms() >= end)
			fail("%s is mounted, and stays so: %s", name, said);
		if (said)
			poll(NULL, 0, UNMOUNT_MS);
		free(said);
		out = open_memstream(&said, &size);
		if (!out)
			fail("no memory");
		child_output(argv, UMOUNT_LIMIT_MS, out);
		fclose(out);
	}
	free(said);
}

static int take_down(const struct pb_volume_config *volume,
		     const struct wish *wish)
{
	char *argv[5] = { "remove", (char *)volume->name };

	if (!is_up(volume->name)) {
		printf("%s is down\n", volume->name);
		return EXIT_SUCCESS;
	}
	if (wish->unmount)
		unmount(volume->name, wish->retry_ms);
	if (wish->retry) {
		argv[2] = "--retry";
		argv[3] = wish->retry;
	}
	optind = 0;
	return verb_remove.run(wish->retry ? 4 : 2, argv);
}

/* In a process of its own: what goes wrong with one volume is not the others' end. */
static int apart(const struct pb_volume_config *volume, int self,
		 const struct wish *wish, bool up)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("cannot fork: %m");
	if (!pid)
		exit(!up ? take_down(volume, wish) :
		     bring_up(volume, self, wish->declare) ?:
		     await_view(volume->name, wish->wait_ms));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid: %m");
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

static int run(int argc, char **argv, bool up)
{
	struct wish wish = { .dir = PB_CONFIG_DIR };
	const struct pb_volume_config *volume;
	struct pb_config config;
	int self, status = EXIT_SUCCESS;
	char nodes[256];
	u32 i;

	parse(&wish, argc, argv, up);
	load_config(wish.dir, &config);
	if (!config.node[0])
		fail("%s/%s has no node group: this host has no replicas; run this on a node",
		     wish.dir, PB_CONFIG_HOST);
	for (i = 0; wish.all ? i < config.nr_volumes : !!wish.names[i]; i++) {
		volume = wish.all ? &config.volumes[i] :
			 config_volume(&config, wish.names[i]);
		self = pb_config_replica(volume, config.node);
		if (self < 0 && wish.all)
			continue;
		if (self < 0)
			fail("%s has no replica on this node, %s: run this on one of %s",
			     volume->name, config.node,
			     pb_config_nodes(volume, nodes, sizeof(nodes)));
		if (apart(volume, self, &wish, up))
			status = EXIT_FAILED;
	}
	pb_config_free(&config);
	return status;
}

static int run_up(int argc, char **argv)
{
	return run(argc, argv, true);
}

static int run_down(int argc, char **argv)
{
	return run(argc, argv, false);
}

const struct verb verb_up = {
	.name = "up",
	.args = "VOLUME...|--all [--declare-synced|--blank] [--wait SEC]",
	.summary = "set volumes of the configuration up on this node",
	.help =
"Does what 'pbctl create' does, with the devices of the configuration.  pbviewd\n"
"finds the volume and tells it its view.  A volume that is up is left alone.\n\n"
"  --all             every volume with a replica on this node\n"
"  --declare-synced  new replica, the first one: its data is the volume's\n"
"  --blank           new replica: its data is worth nothing\n"
"  --wait SEC        return when it has been told its view, and can be used if it is\n"
"                    the primary; give up after so long\n"
"  --config DIR      another directory than " PB_CONFIG_DIR "\n\n"
"Example, on the first node and then on the second:\n"
"  pbctl up db --declare-synced\n"
"  pbctl up db --blank\n",
	.run = run_up,
};

const struct verb verb_down = {
	.name = "down",
	.args = "VOLUME...|--all [--unmount] [--retry SEC]",
	.summary = "take volumes of the configuration down on this node",
	.help =
"Does what 'pbctl remove' does.  If this node is the primary, its synced backup takes\n"
"over as soon as the view server misses it: 'pbctl switch' first spares the wait.\n\n"
"  --all         every volume with a replica on this node\n"
"  --unmount     unmount what is mounted of it before, again and again for as long as\n"
"                --retry says\n"
"  --retry SEC   try again for so long while it is in use (default 1)\n"
"  --config DIR  another directory than " PB_CONFIG_DIR "\n\n"
"Example: pbctl down db\n",
	.run = run_down,
};
