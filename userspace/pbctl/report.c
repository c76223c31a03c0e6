// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl report: what a bug report needs, in one file, without secrets.
 *
 * What is asked for is asked by commands that can be stopped: a volume that hangs
 * is what reports are about.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "pbctl.h"
#include "redact.h"

/* How long a command may take, ms; and all of them, but for the least of each. */
#define PATIENCE_MS	15000
#define ALL_MS		120000
#define LEAST_MS	1000
/* More than any file that is wanted has. */
#define MAX_FILE	(16 << 20)
#define SELF		"/proc/self/exe"
#define MAX_WORDS	12

enum { OPT_CONFIG = 256 };

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/**
 * struct report - one that is being made
 * @config: directory of the configuration
 * @parent: a directory of our own; empty if there is none (any more)
 * @top: in it, all that goes into the file; its name is the last part
 * @self: path of this program
 * @output: the file, as long as it is not whole
 * @until: commands should be done by then, in pb_boot_ms()
 */
static struct report {
	const char	*config;
	char		parent[64];
	char		top[192];
	char		self[4096];
	const char	*output;
	u64		until;
} report;

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clean_up(void)
{
	if (report.parent[0])
		nftw(report.parent, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (report.output)
		unlink(report.output);
}

/* Signals wait until there is nothing half done: then the end is in order. */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void end_if_interrupted(void)
{
	sigset_t set;

	if (!sigpending(&set) &&
	    (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) ||
	     sigismember(&set, SIGHUP)))
		fail("interrupted");
}

/* Into a file of the report. */
static void save(const char *name, const char *text,
		 void (*redact)(const char *text, FILE *out))
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", report.top, name);
	out = fopen(path, "wxe");
	if (!out)
		fail("cannot write %s: %m", path);
	redact(text, out);
	if (fclose(out))
		fail("cannot write %s: %m", path);
	end_if_interrupted();
}

static bool is_json(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && !strcmp(name + len - 5, ".json");
}

/* Where many things hang each gets less time. */
static unsigned int patience(void)
{
	u64 now = pb_boot_ms();
	u64 left = report.until > now ? report.until - now : 0;

	return left > PATIENCE_MS ? PATIENCE_MS :
	       left < LEAST_MS ? LEAST_MS : left;
}

/* Returns the command's exit status, or -1. */
static int save_command(const char *name, const char * const *argv)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int status;

	if (!out)
		fail("no memory");
	status = child_output(argv, patience(), out);
	if (fclose(out))
		fail("no memory");
	save(name, text, is_json(name) ? redact_json : redact_text);
	free(text);
	return status;
}

/* pbctl itself, with up to so many words. */
static int save_own(const char *name, ...)
{
	const char *argv[MAX_WORDS] = { report.self };
	unsigned int nr = 1;
	va_list args;

	va_start(args, name);
	while (nr < MAX_WORDS - 1 && (argv[nr] = va_arg(args, const char *)))
		nr++;
	va_end(args);
	return save_command(name, argv);
}

/* NULL if it cannot be read: @why says so, in the place of the text. */
static char *read_file(const char *path, char *why, size_t size)
{
	char *text = calloc(1, MAX_FILE + 1);
	size_t len = 0;
	ssize_t part;
	int fd;

	if (!text)
		fail("no memory");
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	part = fd < 0 ? -1 : 1;
	while (part > 0 && len < MAX_FILE) {
		part = read(fd, text + len, MAX_FILE - len);
		len += part > 0 ? part : 0;
	}
	if (part < 0) {
		snprintf(why, size, "[%s: %s]\n", path, strerror(errno));
		free(text);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static void save_file(const char *name, const char *path,
		      void (*redact)(const char *text, FILE *out))
{
	char why[512];
	char *text = read_file(path, why, sizeof(why));

	save(name, text ?: why, text ? redact : redact_text);
	free(text);
}

static void make_dir(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", report.top, name);
	if (mkdir(path, 0700))
		fail("cannot make %s: %m", path);
}

/* The parts of a report */

static void save_host(void)
{
	static const char * const uname[] = { "uname", "-a", NULL };
	static const struct {
		const char	*name;
		const char	*path;
	} files[] = {
		{ "host/os-release", "/etc/os-release" },
		{ "host/uptime", "/proc/uptime" },
		{ "host/loadavg", "/proc/loadavg" },
		{ "host/meminfo", "/proc/meminfo" },
		{ "host/diskstats", "/proc/diskstats" },
		{ "host/net-snmp", "/proc/net/snmp" },
		{ "host/net-netstat", "/proc/net/netstat" },
	};
	size_t i;

	make_dir("host");
	save_command("host/uname", uname);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		save_file(files[i].name, files[i].path, redact_text);
}

/* Tables of other targets may have keys in them. */
static void save_device_mapper(void)
{
	static const char * const table[] = {
		"dmsetup", "table", "--target", "pb", NULL,
	};
	static const char * const status[] = {
		"dmsetup", "status", "--target", "pb", NULL,
	};
	static const char * const info[] = {
		"dmsetup", "info", "-c", "--noheadings", "-o",
		"name,major,minor,open,suspended,tables_loaded", NULL,
	};

	save_command("dmsetup-table", table);
	save_command("dmsetup-status", status);
	save_command("dmsetup-info", info);
}

static bool is_ours(const char *line)
{
	return strstr(line, "device-mapper: pb") || strstr(line, "dm-pb") ||
	       strstr(line, "dm_pb");
}

static void keep_ours(const char *text, FILE *out)
{
	char *copy = strdup(text), *rest = copy, *line;
	char *kept = NULL;
	size_t len;
	FILE *lines = open_memstream(&kept, &len);

	if (!copy || !lines)
		fail("no memory");
	while ((line = strsep(&rest, "\n")))
		if (is_ours(line) || !strncmp(line, "[dmesg", 6) ||
		    !strncmp(line, "[exit", 5))
			fprintf(lines, "%s\n", line);
	fclose(lines);
	redact_text(kept, out);
	free(kept);
	free(copy);
}

static void save_kernel_log(void)
{
	static const char * const argv[] = { "dmesg", NULL };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		fail("no memory");
	child_output(argv, patience(), out);
	fclose(out);
	save("kernel-log", text, keep_ours);
	free(text);
}

static void list_file(const char *path, const char *name, FILE *out)
{
	char clean[256];
	struct stat st;

	pb_printable(clean, sizeof(clean), name, strlen(name));
	if (lstat(path, &st))
		fprintf(out, "%s: %m\n", clean);
	else
		fprintf(out, "%06o %5u %5u %8lld %lld %s\n", st.st_mode,
			st.st_uid, st.st_gid, (long long)st.st_size,
			(long long)st.st_mtime, clean);
}

/* What there is: modes and sizes, of keys too, but nothing that is in them. */
static void list_config(void)
{
	static const char * const dirs[] = { "", "volumes", "hooks.d" };
	char path[8192], *text = NULL;
	struct dirent *entry;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);
	DIR *dir;

	if (!out)
		fail("no memory");
	fputs("mode, owner, group, bytes, changed, name\n", out);
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", report.config, dirs[i]);
		dir = opendir(path);
		if (!dir)
			fprintf(out, "%s: %m\n", path);
		while (dir && (entry = readdir(dir))) {
			snprintf(path, sizeof(path), "%s/%s/%s", report.config,
				 dirs[i], entry->d_name);
			list_file(path, path + strlen(report.config) + 1, out);
		}
		if (dir)
			closedir(dir);
	}
	fclose(out);
	save("config/files", text, redact_text);
	free(text);
}

static bool is_volume_file(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 5 && len < 100 &&
	       !strcmp(name + len - 5, ".conf");
}

static void save_config(void)
{
	char path[8192], name[300];
	struct dirent *entry;
	DIR *dir;

	make_dir("config");
	make_dir("config/" PB_CONFIG_VOLUMES);
	list_config();
	snprintf(path, sizeof(path), "%s/%s", report.config, PB_CONFIG_HOST);
	save_file("config/" PB_CONFIG_HOST, path, redact_config);
	snprintf(path, sizeof(path), "%s/%s", report.config, PB_CONFIG_VOLUMES);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!is_volume_file(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", report.config,
			 PB_CONFIG_VOLUMES, entry->d_name);
		snprintf(name, sizeof(name), "config/%s/%s", PB_CONFIG_VOLUMES,
			 entry->d_name);
		save_file(name, path, redact_config);
	}
	if (dir)
		closedir(dir);
}

/* The metadata of the volumes that this host has a replica of. */
static void save_metadata(const struct pb_config *config)
{
	const struct pb_replica_config *replica;
	const struct pb_volume_config *volume;
	char name[64];
	int index;
	u32 i;

	make_dir("metadata");
	for (i = 0; i < config->nr_volumes; i++) {
		volume = &config->volumes[i];
		index = pb_config_replica(volume, config->node);
		if (index < 0)
			continue;
		replica = &volume->replicas[index];
		snprintf(name, sizeof(name), "metadata/%s.json", volume->name);
		save_own(name, "dump-meta", "--json", "--log", "--maps",
			 replica->meta ? "--external" : "--internal",
			 replica->meta ?: replica->data, NULL);
	}
}

static void save_views(const struct pb_config *config)
{
	char name[64];
	u32 i;

	/* Who does not answer once is not asked for each volume. */
	if (save_own("server-volumes.json", "volumes", "--json", "--config",
		     report.config, NULL))
		return;
	make_dir("history");
	for (i = 0; i < config->nr_volumes; i++) {
		snprintf(name, sizeof(name), "history/%s.json",
			 config->volumes[i].name);
		save_own(name, "history", config->volumes[i].name, "--json",
			 "--config", report.config, NULL);
	}
}

/* What needs a configuration that is in order.  Complaints quote what is wrong. */
static void save_configured(void)
{
	FILE *nowhere = fopen("/dev/null", "we");
	struct pb_config config;

	if (!nowhere || pb_config_load(report.config, &config, nowhere)) {
		save("config/mistakes",
		     "The configuration cannot be used: 'pbviewd --check' says why.\n",
		     redact_text);
	} else {
		save_metadata(&config);
		if (config.server)
			save_views(&config);
		pb_config_free(&config);
	}
	if (nowhere)
		fclose(nowhere);
}

static void gather(void)
{
	report.until = pb_boot_ms() + ALL_MS;
	save_own("version", "--version", NULL);
	save_own("module.json", "info", "--json", NULL);
	save_own("status.json", "status", "--json", NULL);
	save_own("status", "status", "-v", NULL);
	save_own("events.json", "events", "--json", "--timeout", "2", NULL);
	save_device_mapper();
	save_kernel_log();
	save_host();
	save_config();
	save_configured();
}

/* The file */

static void name_report(char *name, size_t size)
{
	char host[65] = "host", clean[64], when[32];
	time_t now = time(NULL);
	struct tm tm;

	gethostname(host, sizeof(host) - 1);
	pb_printable(clean, sizeof(clean), host, strlen(host));
	if (!gmtime_r(&now, &tm) ||
	    !strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm))
		fail("what is the time?");
	snprintf(name, size, "dm-pb-report-%s-%s", clean, when);
	for (; *name; name++)
		if (*name == '/')
			*name = '?';
}

static void begin_report(const char *name)
{
	const char *where = getenv("TMPDIR") ?: "/tmp";
	ssize_t len;

	len = readlink(SELF, report.self, sizeof(report.self) - 1);
	if (len < 0)
		fail("%s: %m", SELF);
	report.self[len] = '\0';
	if (strlen(where) > sizeof(report.parent) - 32)
		where = "/tmp";
	snprintf(report.parent, sizeof(report.parent), "%s/pb-report-XXXXXX",
		 where);
	if (!mkdtemp(report.parent)) {
		report.parent[0] = '\0';
		fail("cannot make a directory in %s: %m", where);
	}
	snprintf(report.top, sizeof(report.top), "%s/%s", report.parent, name);
	if (mkdir(report.top, 0700))
		fail("cannot make %s: %m", report.top);
}

static void pack(const char *file, const char *name)
{
	const char *const argv[] = {
		"tar", "-c", "-z", "--owner=0", "--group=0", "--numeric-owner",
		"--force-local", "-C", report.parent, "-f", file, name, NULL,
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		fail("no memory");
	child_output(argv, 4 * PATIENCE_MS, out);
	fclose(out);
	if (len)
		fail("cannot write %s: %s", file, text);
	free(text);
	report.output = NULL;
}

static int run(int argc, char **argv)
{
	char name[128], file[160];
	const char *output = NULL;
	int option, fd;

	report.config = PB_CONFIG_DIR;
	while ((option = next_option(argc, argv, options)) != -1) {
		if (option == 'o')
			output = optarg;
		else
			report.config = optarg;
	}
	want_args(argc, argv, 0, 0);
	name_report(name, sizeof(name));
	snprintf(file, sizeof(file), "%s.tar.gz", name);
	output = output ?: file;
	/* Nobody else may read it: it has names and addresses. */
	fd = open(output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		fail("%s exists: give another name", output);
	if (fd < 0)
		fail("cannot write %s: %m", output);
	close(fd);
	/* Others' output is for who reads reports. */
	setenv("LC_ALL", "C", 1);
	hold_signals();
	atexit(clean_up);
	report.output = output;
	begin_report(name);
	gather();
	pack(output, name);
	printf("%s\n", output);
	return EXIT_SUCCESS;
}

const struct verb verb_report = {
	.name = "report",
	.args = "[-o FILE] [--config DIR]",
	.summary = "gather what a bug report needs, without secrets, in one file",
	.help =
"Writes a tar.gz: status and events, device-mapper's tables, the kernel's messages of\n"
"dm-pb, metadata, configuration, what the view server says, versions, and the host's\n"
"statistics of disks and network.  Keys, comments, passwords in URLs and settings that\n"
"are not known are left out.  Names, addresses and paths are in it: read it before you\n"
"send it to a stranger.  It changes nothing, and takes some seconds, or a minute if\n"
"something hangs.\n\n"
"  -o, --output FILE  its name, which must be new (default: dm-pb-report-HOST-TIME.tar.gz)\n"
"  --config DIR       another directory than " PB_CONFIG_DIR "\n\n"
"Example: pbctl report -o /tmp/report.tar.gz\n",
	.run = run,
};
