// SPDX-License-Identifier: GPL-2.0
/*
 * pbctl init: certificates and configuration of all hosts of a first volume, made
 * on the host of the view server.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs.h"
#include "pbctl.h"

#define HOSTS		"hosts"
#define AUTHORITY_KEY	"authority.key"

enum {
	OPT_CONFIG = 256,
	OPT_SERVER,
	OPT_NODE,
	OPT_DATA,
	OPT_META,
};

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "server", required_argument, NULL, OPT_SERVER },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "data", required_argument, NULL, OPT_DATA },
	{ "meta", required_argument, NULL, OPT_META },
	{ }
};

/**
 * struct init_node - a host with a replica
 * @name: of the node
 * @address: where the others reach it
 */
struct init_node {
	char			name[PB_NAME_LEN];
	const char		*address;
};

/**
 * struct init - what is to be made
 * @dir: the configuration's directory on this host
 * @volume: the volume's name
 * @server: name or address of this host, the view server's
 * @data: the data device on each node
 * @meta: the metadata device there, or NULL
 * @nr: nodes
 * @nodes: they
 * @self: the one that this host is as well, or -1
 * @made: paths that are there now and were not before
 * @nr_made: how many
 */
struct init {
	const char		*dir;
	const char		*volume;
	const char		*server;
	const char		*data;
	const char		*meta;
	int			nr;
	struct init_node	nodes[PB_MAX_REPLICAS];
	int			self;
	char			*made[16 + 8 * PB_MAX_REPLICAS];
	int			nr_made;
};

/* The command line */

/* It is written between quotation marks, and is read in a URL, too. */
static void want_host(const char *option, const char *text)
{
	struct pb_endpoint endpoint;
	struct pb_error err;

	if (pb_parse_endpoint(text, &endpoint, &err))
		usage_error("%s: %s", option, err.text);
	if (!*text || strcmp(endpoint.host, text) ||
	    text[strcspn(text, "\"\\/@")])
		usage_error("%s: '%s' is not the name or address of a host",
			    option, text);
}

static void want_path(const char *option, const char *text)
{
	const char *c;

	for (c = text; *c > ' ' && *c <= '~' && *c != '"' && *c != '\\'; c++)
		;
	if (text[0] != '/' || *c)
		usage_error("%s: '%s' is not the full path of a device", option,
			    text);
}

static void take_node(struct init *init, const char *text)
{
	struct init_node *node = &init->nodes[init->nr];
	const char *equals = strchr(text, '=');
	struct pb_error err;
	int i;

	if (!equals)
		usage_error("--node: '%s' must be NAME=ADDRESS", text);
	if (init->nr == PB_MAX_REPLICAS)
		usage_error("--node: a volume has at most %d",
			    PB_MAX_REPLICAS);
	if (equals - text >= PB_NAME_LEN)
		usage_error("--node: the name in '%s' is too long", text);
	memcpy(node->name, text, equals - text);
	if (pb_check_name(node->name, &err))
		usage_error("--node: %s", err.text);
	if (strpbrk(node->name, "\"\\"))
		usage_error("--node: '%s' is not a name for a host",
			    node->name);
	node->address = equals + 1;
	want_host("--node", node->address);
	for (i = 0; i < init->nr; i++)
		if (!strcmp(init->nodes[i].name, node->name) ||
		    !strcmp(init->nodes[i].address, node->address))
			usage_error("--node: '%s' has the name or address of '%s'",
				    text, init->nodes[i].name);
	init->nr++;
}

static void take_option(struct init *init, int option)
{
	switch (option) {
	case OPT_CONFIG:
		init->dir = optarg;
		break;
	case OPT_SERVER:
		want_host("--server", optarg);
		init->server = optarg;
		break;
	case OPT_NODE:
		take_node(init, optarg);
		break;
	case OPT_DATA:
		want_path("--data", optarg);
		init->data = optarg;
		break;
	default:
		want_path("--meta", optarg);
		init->meta = optarg;
	}
}

static void parse(struct init *init, int argc, char **argv)
{
	struct pb_error err;
	int option, i;

	while ((option = next_option(argc, argv, options)) != -1)
		take_option(init, option);
	init->volume = want_args(argc, argv, 1, 1)[0];
	if (pb_check_name(init->volume, &err))
		usage_error("%s", err.text);
	if (strpbrk(init->volume, "\"\\"))
		usage_error("'%s' is not a name for a volume", init->volume);
	if (!init->server)
		usage_error("say how the nodes reach this host, the view server: --server HOST");
	if (init->nr < 2)
		usage_error("say who has a replica, two nodes or more: --node NAME=ADDRESS");
	if (!init->data)
		usage_error("say on which device the data is: --data DEV");
	if (init->meta && !strcmp(init->meta, init->data))
		usage_error("--meta: the data is on %s", init->data);
	for (i = 0; i < init->nr; i++)
		if (!strcmp(init->nodes[i].name, init->server) ||
		    !strcmp(init->nodes[i].address, init->server))
			init->self = i;
}

/* Files */

static char *path_of(const struct init *init, const char *fmt, ...)
	pb_printf(2, 3);

/* Below the configuration's directory. */
static char *path_of(const struct init *init, const char *fmt, ...)
{
	char *below, *path;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&below, fmt, args) < 0 ||
	    asprintf(&path, "%s/%s", init->dir, below) < 0)
		fail("no memory");
	va_end(args);
	free(below);
	return path;
}

/* What was made goes away again, the last first; then the end. */
static void __attribute__((noreturn)) give_up(struct init *init,
					      const char *why)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", why);
	while (init->nr_made)
		remove(init->made[--init->nr_made]);
	fail("%s", text);
}

static void cannot_make(struct init *init, const char *path)
{
	char text[PATH_MAX + 100];

	snprintf(text, sizeof(text), "cannot make %s: %s", path,
		 strerror(errno));
	give_up(init, text);
}

/* @path is the callee's. */
static void make_dir(struct init *init, char *path)
{
	if (!mkdir(path, 0700))
		init->made[init->nr_made++] = path;
	else if (errno != EEXIST)
		cannot_make(init, path);
	else
		free(path);
}

static void make_file(struct init *init, char *path, mode_t mode,
		      const char *text)
{
	size_t len = strlen(text);
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		cannot_make(init, path);
	init->made[init->nr_made++] = path;
	if (write(fd, text, len) != (ssize_t)len || fsync(fd))
		cannot_make(init, path);
	close(fd);
}

static void want_nothing(const struct init *init)
{
	static const char * const names[] = {
		PB_CONFIG_HOST, "ca.pem", "host.pem", "host.key",
		AUTHORITY_KEY, HOSTS,
	};
	char *path = path_of(init, "%s/%s.conf", PB_CONFIG_VOLUMES,
			     init->volume);
	size_t i;

	if (!access(path, F_OK))
		fail("%s is there already: choose another name", path);
	free(path);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		path = path_of(init, "%s", names[i]);
		if (!access(path, F_OK))
			fail("%s is there already: this host has been set up; for one more volume write its file in %s/%s, the same on every host",
			     path, init->dir, PB_CONFIG_VOLUMES);
		free(path);
	}
}

/* What is in them */

static const char *colon(const char *host)
{
	return strchr(host, ':') ? "]" : "";
}

static char *host_text(const struct init *init, int node, bool server)
{
	const char *open = *colon(init->server) ? "[" : "";
	char *text, *url, *name = NULL;
	int ret;

	if (asprintf(&url, "server = \"https://%s%s%s:%s\";", open, init->server,
		     colon(init->server), PB_SERVER_PORT) < 0)
		fail("no memory");
	if (node >= 0 && asprintf(&name, "node = { name = \"%s\"; %s };\n",
				  init->nodes[node].name, url) < 0)
		fail("no memory");
	/* Whoever is root on the view server decides anyway. */
	ret = asprintf(&text, "%s%s%s%s%s%s%s", name ?: "",
		       server ? "server = { operators = [ \"" : "",
		       server ? node < 0 ? "view-server" :
				init->nodes[node].name : "",
		       server ? "\" ]; };\n" : "",
		       node < 0 ? "client = { " : "", node < 0 ? url : "",
		       node < 0 ? " };\n" : "");
	if (ret < 0)
		fail("no memory");
	free(url);
	free(name);
	return text;
}

static char *volume_text(const struct init *init)
{
	char uuid[PB_UUID_TEXT], *text = NULL;
	u8 volume[PB_UUID_LEN];
	size_t size;
	FILE *out;
	int i;

	out = open_memstream(&text, &size);
	if (!out)
		fail("no memory");
	pb_uuid_generate(volume);
	fprintf(out, "name = \"%s\";\nuuid = \"%s\";\nreplicas = (\n",
		init->volume, pb_uuid_text(volume, uuid));
	for (i = 0; i < init->nr; i++) {
		fprintf(out, "    { node = \"%s\"; address = \"%s\";\n      data = \"%s\";",
			init->nodes[i].name, init->nodes[i].address,
			init->data);
		if (init->meta)
			fprintf(out, " meta = \"%s\";", init->meta);
		fprintf(out, " }%s\n", i < init->nr - 1 ? "," : "");
	}
	fputs(");\n", out);
	if (fclose(out))
		fail("no memory");
	return text;
}

/* All that one host needs; @below is where, below the directory, "" for this one. */
static void make_host(struct init *init, struct authority *authority,
		      const char *ca, const char *volume, const char *below,
		      int node, bool server)
{
	const char *name = node < 0 ? "view-server" : init->nodes[node].name;
	struct pair pair = {};
	struct pb_error err;
	char *text;

	if (authority_sign(authority, name,
			   server && strcmp(name, init->server) ? init->server :
			   NULL, &pair, &err))
		give_up(init, err.text);
	text = host_text(init, node, server);
	make_dir(init, path_of(init, "%s" PB_CONFIG_VOLUMES, below));
	make_file(init, path_of(init, "%sca.pem", below), 0644, ca);
	make_file(init, path_of(init, "%shost.pem", below), 0644,
		  pair.certificate);
	make_file(init, path_of(init, "%shost.key", below), 0600, pair.key);
	make_file(init, path_of(init, "%s" PB_CONFIG_HOST, below), 0644, text);
	make_file(init, path_of(init, "%s" PB_CONFIG_VOLUMES "/%s.conf", below,
				init->volume), 0644, volume);
	free(text);
	pair_free(&pair);
}

static void make_all(struct init *init)
{
	struct authority *authority;
	struct pair pair = {};
	struct pb_error err;
	char *volume, *below, *top;
	int i;

	authority = authority_new("dm-pb authority", &pair, &err);
	if (!authority)
		give_up(init, err.text);
	volume = volume_text(init);
	top = strdup(init->dir);
	if (!top)
		fail("no memory");
	make_dir(init, top);
	make_file(init, path_of(init, AUTHORITY_KEY), 0600, pair.key);
	make_host(init, authority, pair.certificate, volume, "", init->self,
		  true);
	make_dir(init, path_of(init, HOSTS));
	for (i = 0; i < init->nr; i++) {
		if (i == init->self)
			continue;
		if (asprintf(&below, HOSTS "/%s/", init->nodes[i].name) < 0)
			fail("no memory");
		make_dir(init, path_of(init, "%s", below));
		make_host(init, authority, pair.certificate, volume, below, i,
			  false);
		free(below);
	}
	authority_free(authority);
	pair_free(&pair);
	free(volume);
}

/* What pbviewd would say is said here, of each host. */
static void check_all(struct init *init)
{
	struct pb_config config;
	char *dir;
	int i;

	for (i = -1; i < init->nr; i++) {
		if (i >= 0 && i == init->self)
			continue;
		dir = path_of(init, "%s%s", i < 0 ? "" : HOSTS "/",
			      i < 0 ? "" : init->nodes[i].name);
		if (pb_config_load(dir, &config, stderr))
			give_up(init, "this would not be in order: nothing was made");
		pb_config_free(&config);
		free(dir);
	}
}

static void say_all(const struct init *init)
{
	int i;

	printf("%s: this host, the view server%s%s\n", init->dir,
	       init->self < 0 ? "" : " and node ",
	       init->self < 0 ? "" : init->nodes[init->self].name);
	for (i = 0; i < init->nr; i++)
		if (i != init->self)
			printf("%s/" HOSTS "/%s: copy what is in it to " PB_CONFIG_DIR " of %s\n",
			       init->dir, init->nodes[i].name,
			       init->nodes[i].name);
	printf("%s/" AUTHORITY_KEY ": makes further certificates; keep it elsewhere\n",
	       init->dir);
}

static int run_init(int argc, char **argv)
{
	struct init init = { .dir = PB_CONFIG_DIR, .self = -1 };

	parse(&init, argc, argv);
	want_nothing(&init);
	make_all(&init);
	check_all(&init);
	say_all(&init);
	while (init.nr_made)
		free(init.made[--init.nr_made]);
	return EXIT_SUCCESS;
}

const struct verb verb_init = {
	.name = "init",
	.args = "VOLUME --server HOST --node NAME=ADDRESS --node NAME=ADDRESS --data DEV [--meta DEV]",
	.summary = "make certificates and configuration for a first volume",
	.help =
"To be run on the host of the view server.  Makes an authority, and for the view\n"
"server and each node a certificate, pbviewd.conf and the volume's file.  What this\n"
"host needs is put into its configuration, what a node needs into hosts/NODE below\n"
"it, from where it is copied to /etc/dm-pb of that node.\n\n"
"  --server HOST        name or address at which the nodes reach this host; if it\n"
"                       is that of a node, this host is both\n"
"  --node NAME=ADDRESS  a node with a replica; two of them or more\n"
"  --data DEV           the data device, the same path on each node\n"
"  --meta DEV           the metadata device; else it is at the end of DEV\n"
"  --config DIR         another directory than " PB_CONFIG_DIR "\n\n"
"Nothing that is there is changed.\n\n"
"Example:\n"
"  pbctl init db --server view --node alpha=10.0.0.1 --node beta=10.0.0.2 \\\n"
"        --data /dev/vg0/db --meta /dev/vg0/db-meta\n",
	.run = run_init,
};
