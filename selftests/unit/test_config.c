// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration: what is right is read, with its defaults; what is wrong is
 * said, with its file and line, all of it at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "tap.h"

static char dir[64];
static char *said;

#define NODE	"node = { name = \"alpha\"; server = \"https://v.example.net\"; };\n"
#define UUID_1	"11111111-2222-3333-4444-555555555555"
#define UUID_2	"21111111-2222-3333-4444-555555555555"
#define HEAD	"name = \"db\";\nuuid = \"" UUID_1 "\";\n"
#define ALPHA	"{ node = \"alpha\"; address = \"10.0.0.1:7401\"; data = \"/dev/a\"; meta = \"/dev/am\"; }"
#define BETA	"{ node = \"beta\"; address = \"10.0.0.2\"; data = \"/dev/a\"; }"
#define PAIR	"replicas = (\n" ALPHA ",\n" BETA "\n);\n"
/* 6 lines. */
#define VOLUME	HEAD PAIR

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file))
		exit(1);
}

static void begin(const char *host)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s && mkdir -p %s/volumes",
		 dir, dir);
	if (system(command))
		exit(1);
	put(PB_CONFIG_HOST, host);
}

/* Loads; @said is what was complained of, without the directory. */
static int load(struct pb_config *config)
{
	size_t size, len = strlen(dir) + 1;
	FILE *complaints;
	char *at;
	int ret;

	free(said);
	complaints = open_memstream(&said, &size);
	ret = pb_config_load(dir, config, complaints);
	fclose(complaints);
	while ((at = strstr(said, dir)))
		memmove(at, at + len, strlen(at + len) + 1);
	return ret;
}

static void complains(const char *want, const char *what)
{
	struct pb_config config;
	int ret = load(&config);
	bool good = !strcmp(said, want) && ret == -EINVAL &&
		    pb_all_zero(&config, sizeof(config));

	pb_config_free(&config);
	ok(good, "%s", what);
	if (!good)
		printf("# returned %d\n# %s# wanted\n# %s", ret, said, want);
}

static bool loads(struct pb_config *config)
{
	int ret = load(config);

	if (ret || *said)
		printf("# returned %d\n# %s\n", ret, said);
	return !ret && !*said;
}

struct mistake {
	const char *text;
	const char *want;
};

/* The whole of pbviewd.conf, without volumes. */
static const struct mistake host_mistakes[] = {
	{ "", "pbviewd.conf:1: there must be a group \"node\", \"server\" or \"client\"\n" },
	{ "tls = {};\n", "pbviewd.conf:1: there must be a group \"node\", \"server\" or \"client\"\n" },
	{ NODE "foo = 1;\n", "pbviewd.conf:2: unknown setting \"foo\": see pbviewd.conf(5)\n" },
	{ "node = 5;\n", "pbviewd.conf:1: \"node\" must be a group: { ... }\n" },
	{ NODE "server = ( );\n", "pbviewd.conf:2: \"server\" must be a group: { ... }\n" },
	{ NODE "tls = \"x\";\n", "pbviewd.conf:2: \"tls\" must be a group: { ... }\n" },
	{ "\nnode = { };\n", "pbviewd.conf:2: missing setting \"name\": see pbviewd.conf(5)\npbviewd.conf:2: missing setting \"server\": see pbviewd.conf(5)\n" },
	{ "client = {\n};\n", "pbviewd.conf:1: missing setting \"server\": see pbviewd.conf(5)\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 19; };\n", "pbviewd.conf:2: \"ping_ms\" must be from 20 to 10000 ms\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 10001; };\n", "pbviewd.conf:2: \"ping_ms\" must be from 20 to 10000 ms\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = -1; };\n", "pbviewd.conf:2: \"ping_ms\" must be from 20 to 10000 ms\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 18446744073709551716L; };\n", "pbviewd.conf:2: \"ping_ms\" must be from 20 to 10000 ms\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 4294967396; };\n", "pbviewd.conf:2: 4294967396 is too large\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 99999999999999999999; };\n", "pbviewd.conf:2: 99999999999999999999 is too large\npbviewd.conf:2: \"ping_ms\" must be from 20 to 10000 ms\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 0x100000064; };\n", "pbviewd.conf:2: \"ping_ms\" must be a decimal number\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = \"100\"; };\n", "pbviewd.conf:2: \"ping_ms\" must be a whole number\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 100.0; };\n", "pbviewd.conf:2: \"ping_ms\" must be a whole number\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nhooks = \"hooks.d\"; };\n", "pbviewd.conf:2: \"hooks\" must be an absolute path\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nlisten = \"\"; };\n", "pbviewd.conf:2: \"listen\" may not be empty\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nlisten = \"a:70000\"; };\n", "pbviewd.conf:2: \"listen\": 'a:70000': the port must be a number from 1 to 65535\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\nlisten = \"7401\"; };\n", "pbviewd.conf:2: \"listen\": '7401' is not a host: write ':7401' for a port\n" },
	{ "node = { name = \"alpha\"; server = \"https://v\";\npings = 5; };\n", "pbviewd.conf:2: unknown setting \"pings\": see pbviewd.conf(5)\n" },
	{ "node = { server = \"https://v\";\nname = \"\"; };\n", "pbviewd.conf:2: a name may not be empty\n" },
	{ "node = { server = \"https://v\";\nname = \"a\\n:5\"; };\n", "pbviewd.conf:2: the name 'a?:5' may only have printable ASCII characters other than space, '/' and ':'\n" },
	{ "node = { server = \"https://v\";\nname = true; };\n", "pbviewd.conf:2: \"name\" must be a string: \"...\"\n" },
	{ "server = { store = \"views.db\"; };\n", "pbviewd.conf:1: \"store\" must be an absolute path\n" },
	{ "server = { listen = \"[::1\"; };\n", "pbviewd.conf:1: \"listen\": '[::1' is not [ADDRESS] or [ADDRESS]:PORT\n" },
	{ "server = {\noperators = \"admin\"; };\n", "pbviewd.conf:2: \"operators\" must be a list of strings: [ ... ]\n" },
	{ "server = {\noperators = [ 5 ]; };\n", "pbviewd.conf:2: \"operators\" must be a list of strings: [ ... ]\n" },
	{ "server = {\noperators = [\n\"a b\",\n\"c\" ]; };\n", "pbviewd.conf:2: the name 'a b' may only have printable ASCII characters other than space, '/' and ':'\n" },
	{ "server = {\noperators = ( \"a\", \"b\", \"a\" ); };\n", "pbviewd.conf:2: the operator \"a\" is there twice\n" },
	{ "server = { tls = { }; };\n", "pbviewd.conf:1: unknown setting \"tls\": see pbviewd.conf(5)\n" },
	{ NODE "tls = { ca = \"\"; };\n", "pbviewd.conf:2: \"ca\" may not be empty\n" },
	{ NODE "tls = { cert = \"x\"; };\n", "pbviewd.conf:2: unknown setting \"cert\": see pbviewd.conf(5)\n" },
	{ NODE "client = { name = \"x\"; server = \"http://v\"; };\n", "pbviewd.conf:2: unknown setting \"name\": see pbviewd.conf(5)\npbviewd.conf:2: \"server\" must be https://HOST[:PORT]\n" },
	{ NODE "node = { };\n", "pbviewd.conf:2: duplicate setting name: see pbviewd.conf(5)\n" },
	{ NODE "\nserver = { listen \":5\"; };\n", "pbviewd.conf:3: syntax error: see pbviewd.conf(5)\n" },
	{ NODE "server = {\n", "pbviewd.conf:3: syntax error: see pbviewd.conf(5)\n" },
	{ NODE "x = \"y\n", "pbviewd.conf:2: a string without an end: a quotation mark is missing\n" },
	{ NODE "@include \"none.conf\"\n", "pbviewd.conf:2: cannot open include file: see pbviewd.conf(5)\n" },
	{ NODE "@include \"volumes\"\n", "pbviewd.conf:2: volumes is not a file\n" },
	{ NODE "@include \"pbviewd.conf\"\n", "pbviewd.conf:2: more than 10 files that include each other\n" },
};

/* What is no URL of a server. */
static const char * const urls[] = {
	"", "v.example.net", "http://v.example.net", "https://", "https:///",
	"https://:7402", "https://v:0", "https://v:x", "https://7402",
	"https://a b", "https://user@v", "https://v?x", "https://v/#x",
	"https://::1", "https://[::1", "https://[]", "HTTPS://v",
};

/* After the six lines of a good volume. */
static const struct mistake volume_mistakes[] = {
	{ "dead_after_ms = 99;\n", "7: \"dead_after_ms\" must be from 100 to 600000 ms\n" },
	{ "dead_after_ms = 600001;\n", "7: \"dead_after_ms\" must be from 100 to 600000 ms\n" },
	{ "dead_after_ms = 299;\n", "7: \"dead_after_ms\" (299 ms) must be at least three times the \"ping_ms\" of this node (100 ms)\n" },
	{ "handover_ms = 99;\n", "7: \"handover_ms\" must be from 100 to 600000 ms\n" },
	{ "handover_ms = 600001;\n", "7: \"handover_ms\" must be from 100 to 600000 ms\n" },
	{ "retry_ms = -1;\n", "7: \"retry_ms\" must be from 0 to 3600000 ms\n" },
	{ "retry_ms = 3600001;\n", "7: \"retry_ms\" must be from 0 to 3600000 ms\n" },
	{ "keepalive_ms = 9;\n", "7: \"keepalive_ms\" must be from 10 to 60000 ms\n" },
	{ "keepalive_ms = 60001;\n", "7: \"keepalive_ms\" must be from 10 to 60000 ms\n" },
	{ "\nkeepalive_ms = 1001;\n", "8: \"timeout_ms\" (2000 ms) must be at least twice \"keepalive_ms\" (1001 ms)\n" },
	{ "keepalive_ms = 20;\ntimeout_ms = 39;\n", "8: \"timeout_ms\" (39 ms) must be at least twice \"keepalive_ms\" (20 ms)\n" },
	{ "timeout_ms = 19;\n", "7: \"timeout_ms\" must be from 20 to 600000 ms\n" },
	{ "timeout_ms = 600001;\n", "7: \"timeout_ms\" must be from 20 to 600000 ms\n" },
	{ "lease_ms = 39;\n", "7: \"lease_ms\" must be from 40 to 60000 ms\n" },
	{ "lease_ms = 60001;\n", "7: \"lease_ms\" must be from 40 to 60000 ms\n" },
	{ "reads = \"Lease\";\n", "7: \"reads\" must be \"lease\" or \"confirm\"\n" },
	{ "reads = 1;\n", "7: \"reads\" must be a string: \"...\"\n" },
	{ "policy = \"\";\n", "7: \"policy\" must be \"wait\" or \"error\"\n" },
	{ "encrypt = 1;\n", "7: \"encrypt\" must be true or false\n" },
	{ "encrypt = \"false\";\n", "7: \"encrypt\" must be true or false\n" },
	{ "reed = \"lease\";\n", "7: unknown setting \"reed\": see pbviewd.conf(5)\n" },
	{ "name = \"db\";\n", "7: duplicate setting name: see pbviewd.conf(5)\n" },
	{ "reads \"lease\";\n", "7: syntax error: see pbviewd.conf(5)\n" },
	{ "/* a\n comment */ lease_ms = 5000000000; // 9999999999\n", "8: 5000000000 is too large\n8: \"lease_ms\" must be from 40 to 60000 ms\n" },
	{ "reads = \"99999999999\\\"\n\";\nlease_ms = 4294967396; # 9999999999\n", "9: 4294967396 is too large\n7: \"reads\" must be \"lease\" or \"confirm\"\n" },
	{ "reads = \"x\";\npolicy = \"y\";\nfoo = { bar = 1; };\nlease_ms = 1;\n", "9: unknown setting \"foo\": see pbviewd.conf(5)\n10: \"lease_ms\" must be from 40 to 60000 ms\n7: \"reads\" must be \"lease\" or \"confirm\"\n8: \"policy\" must be \"wait\" or \"error\"\n" },
};

/* The replicas, on line 3, after name and UUID. */
static const struct mistake replica_mistakes[] = {
	{ "", "1: missing setting \"replicas\": see pbviewd.conf(5)\n" },
	{ "replicas = ( );\n", "3: a volume has from 1 to 64 replicas\n" },
	{ "replicas = { };\n", "3: \"replicas\" must be a list of groups: ( { ... }, ... )\n" },
	{ "replicas = (\n\"alpha\" );\n", "3: \"replicas\" must be a list of groups: ( { ... }, ... )\n" },
	{ "replicas = (\n{\n} );\n", "4: missing setting \"node\": see pbviewd.conf(5)\n4: missing setting \"address\": see pbviewd.conf(5)\n4: missing setting \"data\": see pbviewd.conf(5)\n" },
	{ "replicas = (\n" ALPHA ",\n" ALPHA " );\n", "5: the node \"alpha\" has a replica already\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \"h\";\ndata = \"dev/a\"; } );\n", "5: \"data\" must be an absolute path\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \"h\";\ndata = \"/dev/a\"; meta = \"am\"; } );\n", "5: \"meta\" must be an absolute path\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \"h\"; data = \"/dev/a\";\nmeta = \"/dev/a\"; } );\n", "5: \"meta\" is the same device as \"data\": leave it out to have both on one\n" },
	{ "replicas = (\n{ node = \"al pha\"; address = \"h\"; data = \"/dev/a\"; } );\n", "4: the name 'al pha' may only have printable ASCII characters other than space, '/' and ':'\n" },
	{ "replicas = (\n{ node = \"-a\"; address = \"h\"; data = \"/dev/a\"; } );\n", "4: the name '-a' may not start with '-'\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \":7401\"; data = \"/dev/a\"; } );\n", "4: \"address\" must have a host\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \"\"; data = \"/dev/a\"; } );\n", "4: \"address\" may not be empty\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \"h:0\"; data = \"/dev/a\"; } );\n", "4: \"address\": 'h:0': the port must be a number from 1 to 65535\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = 5; data = [ ]; } );\n", "4: \"address\" must be a string: \"...\"\n4: \"data\" must be a string: \"...\"\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \"h\"; data = \"/dev/a\"; disk = 1; } );\n", "4: unknown setting \"disk\": see pbviewd.conf(5)\n" },
	{ "replicas = (\n{ node = \"alpha\"; address = \"h\"; data = \"/dev/a\"; },\n{ node = \"beta\";\naddress = \"H:7401\"; data = \"/dev/a\"; } );\n", "6: the address of the node \"beta\" is also that of \"alpha\" in volumes/db.conf: correct one, or give them different ports\n" },
	{ "replicas = (\n{ node = \"\"; address = \"\"; data = \"\"; }, { node = \"\"; address = \"\"; data = \"\"; } );\n",
	  "4: a name may not be empty\n4: \"address\" may not be empty\n4: \"data\" must be an absolute path\n4: a name may not be empty\n4: \"address\" may not be empty\n4: \"data\" must be an absolute path\n" },
};

/* Another volume beside db, in volumes/log.conf. */
static const struct mistake second_mistakes[] = {
	{ "name = \"db\";\nuuid = \"" UUID_2 "\";\nreplicas = ( { node = \"gamma\"; address = \"10.0.0.3\"; data = \"/dev/a\"; } );\n",
	  "volumes/log.conf:1: the file of the volume \"db\" must be called db.conf, or the volume otherwise\n" },
	{ "name = \"log\";\nuuid = \"" UUID_1 "\";\nreplicas = ( { node = \"gamma\"; address = \"10.0.0.3\"; data = \"/dev/a\"; } );\n",
	  "volumes/log.conf:2: the UUID is also that of volumes/db.conf: 'uuidgen' makes another\n" },
	{ "name = \"log\";\nuuid = \"" UUID_2 "\";\nreplicas = ( { node = \"alpha\"; address = \"10.0.0.1\";\ndata = \"/dev/a\"; } );\n",
	  "volumes/log.conf:4: /dev/a is in use on the node \"alpha\" by volumes/db.conf: give each volume its own\n" },
	{ "name = \"log\";\nuuid = \"" UUID_2 "\";\nreplicas = ( { node = \"alpha\"; address = \"10.0.0.1\";\ndata = \"/dev/am\"; } );\n",
	  "volumes/log.conf:4: /dev/am is in use on the node \"alpha\" by volumes/db.conf: give each volume its own\n" },
	{ "name = \"log\";\nuuid = \"" UUID_2 "\";\nreplicas = ( { node = \"alpha\"; address = \"10.0.0.1\"; data = \"/dev/b\";\nmeta = \"/dev/am\"; } );\n",
	  "volumes/log.conf:4: /dev/am is in use on the node \"alpha\" by volumes/db.conf: give each volume its own\n" },
	{ "name = \"log\";\nuuid = \"" UUID_2 "\";\nreplicas = (\n{ node = \"gamma\"; address = \"10.0.0.2:7401\"; data = \"/dev/b\"; } );\n",
	  "volumes/log.conf:4: the address of the node \"gamma\" is also that of \"beta\" in volumes/db.conf: correct one, or give them different ports\n" },
	{ "name = \"log\";\nuuid = \"1111\";\nreplicas = ( { node = \"gamma\"; address = \"g\"; data = \"/dev/a\"; } );\n",
	  "volumes/log.conf:2: '1111' is not a UUID\n" },
	{ "uuid = \"00000000-0000-0000-0000-000000000000\";\nreplicas = ( { node = \"gamma\"; address = \"g\"; data = \"/dev/a\"; } );\n",
	  "volumes/log.conf:1: missing setting \"name\": see pbviewd.conf(5)\nvolumes/log.conf:1: a UUID of zeros is no UUID\n" },
	{ "name = \"Log\";\nuuid = \"" UUID_2 "\";\nreplicas = ( { node = \"gamma\"; address = \"g\"; data = \"/dev/a\"; } );\n",
	  "volumes/log.conf:1: the file of the volume \"Log\" must be called Log.conf, or the volume otherwise\n" },
	{ "name = \"log/s\";\nuuid = 5;\n",
	  "volumes/log.conf:2: \"uuid\" must be a string: \"...\"\nvolumes/log.conf:1: missing setting \"replicas\": see pbviewd.conf(5)\nvolumes/log.conf:1: the name 'log/s' may only have printable ASCII characters other than space, '/' and ':'\n" },
	{ "", "volumes/log.conf:1: missing setting \"name\": see pbviewd.conf(5)\nvolumes/log.conf:1: missing setting \"uuid\": see pbviewd.conf(5)\nvolumes/log.conf:1: missing setting \"replicas\": see pbviewd.conf(5)\n" },
	{ "name = \"log\"; {\n", "volumes/log.conf:1: syntax error: see pbviewd.conf(5)\n" },
	{ "\n@include \"none\"\n", "volumes/log.conf:2: cannot open include file: see pbviewd.conf(5)\n" },
};

/* Each line of @want is one of volumes/db.conf. */
static const char *of_volume(const char *want)
{
	static char text[2048];
	size_t len = 0;

	for (text[0] = '\0'; *want; want += strcspn(want, "\n") + 1)
		len += snprintf(text + len, sizeof(text) - len,
				"volumes/db.conf:%.*s\n",
				(int)strcspn(want, "\n"), want);
	return text;
}

static void test_mistakes(void)
{
	char text[2048], name[160];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(host_mistakes); i++) {
		begin(host_mistakes[i].text);
		snprintf(name, sizeof(name), "host: %.*s",
			 (int)strcspn(host_mistakes[i].want, "\n"),
			 host_mistakes[i].want);
		complains(host_mistakes[i].want, name);
	}
	for (i = 0; i < ARRAY_SIZE(urls); i++) {
		snprintf(text, sizeof(text),
			 "client = {\n server = \"%s\"; };\n", urls[i]);
		begin(text);
		snprintf(name, sizeof(name), "no URL: '%s'", urls[i]);
		complains("pbviewd.conf:2: \"server\" must be https://HOST[:PORT]\n",
			  name);
	}
	for (i = 0; i < ARRAY_SIZE(volume_mistakes); i++) {
		begin(NODE);
		snprintf(text, sizeof(text), "%s%s", VOLUME,
			 volume_mistakes[i].text);
		put("volumes/db.conf", text);
		snprintf(name, sizeof(name), "volume: %.*s",
			 (int)strcspn(volume_mistakes[i].want, "\n"),
			 volume_mistakes[i].want);
		complains(of_volume(volume_mistakes[i].want), name);
	}
	for (i = 0; i < ARRAY_SIZE(replica_mistakes); i++) {
		begin(NODE);
		snprintf(text, sizeof(text), "%s%s", HEAD,
			 replica_mistakes[i].text);
		put("volumes/db.conf", text);
		snprintf(name, sizeof(name), "replicas: %.*s",
			 (int)strcspn(replica_mistakes[i].want, "\n"),
			 replica_mistakes[i].want);
		complains(of_volume(replica_mistakes[i].want), name);
	}
	for (i = 0; i < ARRAY_SIZE(second_mistakes); i++) {
		begin(NODE);
		put("volumes/db.conf", VOLUME);
		put("volumes/log.conf", second_mistakes[i].text);
		snprintf(name, sizeof(name), "two: %.*s",
			 (int)strcspn(second_mistakes[i].want, "\n"),
			 second_mistakes[i].want);
		complains(second_mistakes[i].want, name);
	}
}

static void put_replicas(unsigned int nr)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	unsigned int i;

	fputs(HEAD "replicas = (\n", file);
	for (i = 0; i < nr; i++)
		fprintf(file, "%s{ node = \"n%u\"; address = \"h%u\"; data = \"/d\"; }",
			i ? ",\n" : "", i, i);
	fputs(");\n", file);
	fclose(file);
	put("volumes/db.conf", text);
	free(text);
}

static void test_files(void)
{
	struct pb_config config;
	char path[128];

	begin(NODE);
	snprintf(path, sizeof(path), "%s/" PB_CONFIG_HOST, dir);
	unlink(path);
	complains("pbviewd.conf:1: cannot open it: No such file or directory: see pbviewd.conf(5)\n",
		  "no pbviewd.conf");
	mkdir(path, 0700);
	complains("pbviewd.conf:1: it is not a file\n", "a directory instead");
	begin("x");
	put("volumes/db.conf", "name = \"db\"");
	put("volumes/a.conf", "=");
	complains("pbviewd.conf:1: syntax error: see pbviewd.conf(5)\nvolumes/a.conf:1: syntax error: see pbviewd.conf(5)\nvolumes/db.conf:1: missing setting \"uuid\": see pbviewd.conf(5)\nvolumes/db.conf:1: missing setting \"replicas\": see pbviewd.conf(5)\n",
		  "a mistake in each of three files");
	begin(NODE);
	snprintf(path, sizeof(path), "%s/volumes/x.conf", dir);
	mkdir(path, 0700);
	complains("volumes/x.conf:1: it is not a file\n",
		  "a directory as a volume");
	begin(NODE);
	snprintf(path, sizeof(path), "%s/volumes", dir);
	rmdir(path);
	put("volumes", "");
	complains("volumes:1: cannot open it: Not a directory\n",
		  "a file instead of the volumes' directory");
	unlink(path);
	ok(loads(&config) && !config.nr_volumes, "no such directory: no volume");
	pb_config_free(&config);
	begin(NODE);
	put_replicas(PB_MAX_REPLICAS);
	ok(loads(&config) &&
	   config.volumes[0].nr_replicas == PB_MAX_REPLICAS, "64 replicas");
	pb_config_free(&config);
	put_replicas(PB_MAX_REPLICAS + 1);
	complains("volumes/db.conf:3: a volume has from 1 to 64 replicas\n",
		  "65 replicas");
	begin("node = { name = \"alpha\"; server = \"https://v\";\nping_ms = 200; };\n");
	put("volumes/db.conf", VOLUME);
	complains("volumes/db.conf:1: \"dead_after_ms\" (500 ms) must be at least three times the \"ping_ms\" of this node (200 ms)\n",
		  "a default that is too short for this node");
	put("volumes/db.conf", VOLUME "dead_after_ms = 5;\ntimeout_ms = 30;\n");
	complains("volumes/db.conf:7: \"dead_after_ms\" must be from 100 to 600000 ms\n",
		  "what depends on a bad number is not complained of");
}

static void test_include(void)
{
	struct pb_config config;

	begin(NODE "@include \"more.inc\"\nfoo = 1;\n");
	put("more.inc", "\n\nserver = {\n bar = 4294967396;\n};\n");
	complains("more.inc:4: 4294967396 is too large\npbviewd.conf:3: unknown setting \"foo\": see pbviewd.conf(5)\nmore.inc:4: unknown setting \"bar\": see pbviewd.conf(5)\n",
		  "mistakes in what is included");
	put("more.inc", "\n@include \"less.inc\"\n");
	put("less.inc", "server = ;\n");
	complains("less.inc:1: syntax error: see pbviewd.conf(5)\n",
		  "a syntax error in what that includes");
	put("less.inc", "@include \".\"\n");
	complains("less.inc:1: . is not a file\n",
		  "what is no file, in what that includes");
	begin(NODE "@include \"more.inc\"\n");
	put("more.inc", "server = { };\n");
	put("volumes/db.conf", VOLUME "@include \"common.inc\"\n");
	put("common.inc", "lease_ms = 77;\n");
	ok(loads(&config) && config.is_server && config.nr_volumes == 1 &&
	   config.volumes[0].lease_ms == 77,
	   "includes are relative to the directory, for volumes too");
	pb_config_free(&config);
}

static bool is_endpoint(const struct pb_endpoint *endpoint, const char *host,
			const char *port)
{
	return !strcmp(endpoint->host, host) && !strcmp(endpoint->port, port);
}

static bool is_below(const char *path, const char *name)
{
	return !strncmp(path, dir, strlen(dir)) && path[strlen(dir)] == '/' &&
	       !strcmp(path + strlen(dir) + 1, name);
}

static void test_defaults(void)
{
	const struct pb_volume_config *volume;
	struct pb_config config;

	begin(NODE "server = { };\n");
	put("volumes/db.conf", VOLUME);
	if (!ok(loads(&config), "what must be there, and nothing else"))
		return;
	ok(!strcmp(config.dir, dir) && !strcmp(config.node, "alpha") &&
	   !strcmp(config.server, "https://v.example.net"),
	   "directory, node, server");
	ok(is_endpoint(&config.listen, "", "7401") &&
	   is_endpoint(&config.server_listen, "", "7402"), "ports");
	is(config.ping_ms, 100, "ping_ms");
	ok(is_below(config.hooks, "hooks.d"), "hooks");
	ok(config.is_server && !config.nr_operators &&
	   !strcmp(config.store, "/var/lib/dm-pb/views.db"), "server");
	ok(is_below(config.ca, "ca.pem") && is_below(config.key, "host.key") &&
	   is_below(config.certificate, "host.pem"), "tls");
	is(config.nr_volumes, 1, "one volume");
	volume = &config.volumes[0];
	ok(is_below(volume->file, "volumes/db.conf") &&
	   !strcmp(volume->name, "db") && volume->uuid[0] == 0x11 &&
	   volume->uuid[15] == 0x55, "its file, name and UUID");
	ok(volume->nr_replicas == 2 &&
	   !strcmp(volume->replicas[0].node, "alpha") &&
	   is_endpoint(&volume->replicas[0].address, "10.0.0.1", "7401") &&
	   !strcmp(volume->replicas[0].data, "/dev/a") &&
	   !strcmp(volume->replicas[0].meta, "/dev/am"), "its first replica");
	ok(!strcmp(volume->replicas[1].node, "beta") &&
	   is_endpoint(&volume->replicas[1].address, "10.0.0.2", "7401") &&
	   !strcmp(volume->replicas[1].data, "/dev/a") &&
	   !volume->replicas[1].meta, "its second");
	ok(volume->dead_after_ms == 500 && volume->handover_ms == 5000 &&
	   volume->retry_ms == 5000 && volume->keepalive_ms == 100 &&
	   volume->timeout_ms == 2000 && volume->lease_ms == 400, "its times");
	ok(volume->reads == PB_READS_LEASE && volume->policy == PB_POLICY_WAIT &&
	   volume->encrypt, "reads, policy, encrypt");
	ok(pb_config_volume(&config, "db") == volume &&
	   pb_config_volume(&config, UUID_1) == volume &&
	   !pb_config_volume(&config, UUID_2) &&
	   !pb_config_volume(&config, "d"), "it is found by name and UUID");
	ok(pb_config_replica(volume, "beta") == 1 &&
	   pb_config_replica(volume, "gamma") == -1, "a replica is found");
	pb_config_free(&config);
	ok(pb_all_zero(&config, sizeof(config)), "nothing is left");
}

/* Every setting, none of them the default. */
static void test_complete(void)
{
	const struct pb_volume_config *volume;
	struct pb_config config;

	begin("node = { name = \"a.b\"; server = \"https://[fe80::1]:99/x//\"; listen = \"[::1]\"; ping_ms = 30L; hooks = \"/h\"; };\n"
	      "server = { listen = \"v:1\"; store = \"/s\"; operators = [ \"admin\", \"root\" ]; };\n"
	      "client = { server = \"https://other\" };\n"
	      "tls = { ca = \"/ca\"; certificate = \"x/c.pem\"; key = \"k\"; };\n");
	put("volumes/db.conf",
	    HEAD "replicas : ( { node = \"n\"; address = \"fe80::2\"; data = \"/d\"; },\n"
	    "{ node = \"m\"; address = \"[fe80::3]:5\"; data = \"/d\"; meta = \"/m\" } )\n"
	    "dead_after_ms = 100; handover_ms = 100; retry_ms = 0; keepalive_ms = 10; timeout_ms = 20; lease_ms = 40;\n"
	    "reads = \"confirm\"; policy = \"error\"; encrypt = false;\n");
	put("volumes/db-2.conf",
	    "name = \"db-2\"; uuid = \"" UUID_2 "\";\n"
	    "replicas = ( { node = \"n\"; address = \"fe80::2\"; data = \"/e\"; } );\n"
	    "dead_after_ms = 600000; handover_ms = 600000; retry_ms = 3600000; keepalive_ms = 60000; timeout_ms = 600000; lease_ms = 60000;\n");
	put("volumes/.hidden.conf", "x");
	put("volumes/db.conf~", "x");
	put("volumes/README", "x");
	put("volumes/.conf", "x");
	if (!ok(loads(&config), "everything, but other files and hidden ones"))
		return;
	ok(!strcmp(config.node, "a.b") && config.ping_ms == 30 &&
	   !strcmp(config.hooks, "/h") &&
	   is_endpoint(&config.listen, "::1", "7401"), "node");
	ok(!strcmp(config.server, "https://[fe80::1]:99/x"),
	   "the node's server, without slashes at the end");
	ok(is_endpoint(&config.server_listen, "v", "1") &&
	   !strcmp(config.store, "/s") && config.nr_operators == 2 &&
	   !strcmp(config.operators[0], "admin") &&
	   !strcmp(config.operators[1], "root"), "server");
	ok(!strcmp(config.ca, "/ca") && is_below(config.certificate, "x/c.pem") &&
	   is_below(config.key, "k"), "tls");
	ok(config.nr_volumes == 2 && !strcmp(config.volumes[0].name, "db") &&
	   !strcmp(config.volumes[1].name, "db-2"), "the volumes, by name");
	volume = &config.volumes[0];
	ok(is_endpoint(&volume->replicas[0].address, "fe80::2", "7401") &&
	   is_endpoint(&volume->replicas[1].address, "fe80::3", "5"),
	   "IPv6 addresses");
	ok(volume->dead_after_ms == 100 && volume->handover_ms == 100 &&
	   volume->retry_ms == 0 && volume->keepalive_ms == 10 &&
	   volume->timeout_ms == 20 && volume->lease_ms == 40,
	   "the least of all times");
	ok(volume->reads == PB_READS_CONFIRM &&
	   volume->policy == PB_POLICY_ERROR && !volume->encrypt,
	   "reads, policy, encrypt");
	volume = &config.volumes[1];
	ok(volume->dead_after_ms == 600000 && volume->handover_ms == 600000 &&
	   volume->retry_ms == 3600000 && volume->keepalive_ms == 60000 &&
	   volume->timeout_ms == 600000 && volume->lease_ms == 60000,
	   "the greatest of all times");
	pb_config_free(&config);
}

static void test_client(void)
{
	struct pb_config config;

	begin("client = { server = \"https://v/\"; };\n");
	put("volumes/db.conf", VOLUME "dead_after_ms = 100;\n");
	ok(loads(&config) && !strcmp(config.server, "https://v") &&
	   !config.node[0] && !config.is_server,
	   "a host that runs pbctl only; no ping_ms to compare with");
	pb_config_free(&config);
	begin("server = { operators = [ ]; };\n");
	ok(loads(&config) && !config.server && !config.node[0] &&
	   config.is_server && !config.nr_operators,
	   "a view server only, without operators");
	pb_config_free(&config);
	begin(NODE);
	ok(loads(&config) && !config.is_server, "a node only");
	pb_config_free(&config);
}

/* libconfig 1.5 loses a string where it does not expect one. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

int main(void)
{
	char command[128];
	int ret;

	snprintf(dir, sizeof(dir), "/tmp/test_config.XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	tap_begin();
	test_mistakes();
	test_files();
	test_include();
	test_defaults();
	test_complete();
	test_client();
	ret = tap_end();
	free(said);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) ? 1 : ret;
}
