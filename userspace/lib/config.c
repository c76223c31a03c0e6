// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration, and what its settings must be.
 *
 * Nothing ends at the first mistake.  The parsed files live until the end of
 * the load: what is wrong between two of them has a line as well.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config-file.h"
#include "config.h"

#define SUFFIX		".conf"

/*
 * volumes[i] is the file of config->volumes[i].  One that could not be read has
 * no settings; what is empty in the latter is not compared with anything.
 */
struct loader {
	struct cf_load		load;
	struct pb_config	*config;
	bool			is_node;
	struct cf_doc		host;
	struct cf_doc		*volumes;
};

/* A number of milliseconds. */
struct number {
	const char	*name;
	u32		min;
	u32		max;
	size_t		offset;
};

#define NUMBER(field, low, high)					\
	{ #field, low, high, offsetof(struct pb_volume_config, field) }

static const struct cf_key root_keys[] = {
	{ "node", CONFIG_TYPE_GROUP, false },
	{ "server", CONFIG_TYPE_GROUP, false },
	{ "client", CONFIG_TYPE_GROUP, false },
	{ "tls", CONFIG_TYPE_GROUP, false },
};

static const struct cf_key node_keys[] = {
	{ "name", CONFIG_TYPE_STRING, true },
	{ "server", CONFIG_TYPE_STRING, true },
	{ "listen", CONFIG_TYPE_STRING, false },
	{ "ping_ms", CONFIG_TYPE_INT, false },
	{ "hooks", CONFIG_TYPE_STRING, false },
};

static const struct cf_key server_keys[] = {
	{ "listen", CONFIG_TYPE_STRING, false },
	{ "store", CONFIG_TYPE_STRING, false },
	{ "operators", CONFIG_TYPE_ARRAY, false },
};

static const struct cf_key client_keys[] = {
	{ "server", CONFIG_TYPE_STRING, true },
};

static const struct cf_key tls_keys[] = {
	{ "ca", CONFIG_TYPE_STRING, false },
	{ "certificate", CONFIG_TYPE_STRING, false },
	{ "key", CONFIG_TYPE_STRING, false },
};

static const struct cf_key volume_keys[] = {
	{ "name", CONFIG_TYPE_STRING, true },
	{ "uuid", CONFIG_TYPE_STRING, true },
	{ "replicas", CONFIG_TYPE_LIST, true },
	{ "dead_after_ms", CONFIG_TYPE_INT, false },
	{ "handover_ms", CONFIG_TYPE_INT, false },
	{ "retry_ms", CONFIG_TYPE_INT, false },
	{ "keepalive_ms", CONFIG_TYPE_INT, false },
	{ "timeout_ms", CONFIG_TYPE_INT, false },
	{ "lease_ms", CONFIG_TYPE_INT, false },
	{ "reads", CONFIG_TYPE_STRING, false },
	{ "policy", CONFIG_TYPE_STRING, false },
	{ "encrypt", CONFIG_TYPE_BOOL, false },
};

static const struct cf_key replica_keys[] = {
	{ "node", CONFIG_TYPE_STRING, true },
	{ "address", CONFIG_TYPE_STRING, true },
	{ "data", CONFIG_TYPE_STRING, true },
	{ "meta", CONFIG_TYPE_STRING, false },
};

static const struct number volume_numbers[] = {
	NUMBER(dead_after_ms, 100, 600000),
	NUMBER(handover_ms, 100, 600000),
	NUMBER(retry_ms, 0, 3600000),
	NUMBER(keepalive_ms, PB_KEEPALIVE_MS_MIN, PB_KEEPALIVE_MS_MAX),
	NUMBER(timeout_ms, 2 * PB_KEEPALIVE_MS_MIN, PB_TIMEOUT_MS_MAX),
	NUMBER(lease_ms, PB_LEASE_MS_MIN, PB_LEASE_MS_MAX),
};

static const struct pb_volume_config volume_defaults = {
	.dead_after_ms	= 500,
	.handover_ms	= 5000,
	.retry_ms	= 5000,
	.keepalive_ms	= 100,
	.timeout_ms	= 2000,
	.lease_ms	= PB_LEASE_MS_DEFAULT,
	.reads		= PB_READS_LEASE,
	.policy		= PB_POLICY_WAIT,
	.encrypt	= true,
};

static const char * const reads_words[] = {
	[PB_READS_LEASE]	= "lease",
	[PB_READS_CONFIRM]	= "confirm",
};

static const char * const policy_words[] = {
	[PB_POLICY_WAIT]	= "wait",
	[PB_POLICY_ERROR]	= "error",
};

/*
 * The host
 */

static void take_node(struct loader *l, const struct cf_doc *doc,
		      const config_setting_t *group)
{
	struct pb_config *config = l->config;

	cf_check_keys(doc, group, node_keys, ARRAY_SIZE(node_keys));
	l->is_node = true;
	cf_name(doc, group, "name", config->node);
	config->server = cf_url(doc, group, "server");
	cf_endpoint(doc, group, "listen", PB_LINK_PORT, false,
		      &config->listen);
	cf_ms(doc, group, "ping_ms", 20, 10000, &config->ping_ms);
	config->hooks = cf_path(doc, group, "hooks");
}

static void take_operators(struct loader *l, const struct cf_doc *doc,
			   const config_setting_t *group)
{
	struct pb_config *config = l->config;
	const config_setting_t *list;
	struct pb_error err;
	const char *text;
	int i, k, length;

	list = cf_get(group, "operators", CONFIG_TYPE_ARRAY);
	length = list ? config_setting_length(list) : 0;
	config->operators = cf_array(&l->load, length,
				     sizeof(*config->operators));
	if (!config->operators)
		return;
	/* On the list's line: libconfig is not sure about its strings'. */
	for (i = 0; i < length; i++) {
		text = config_setting_get_string_elem(list, i);
		if (!text) {
			cf_complain(doc, list, "\"operators\" must be %s",
				    cf_type_text(CONFIG_TYPE_ARRAY));
			return;
		}
		if (pb_check_name(text, &err))
			cf_complain(doc, list, "%s", err.text);
		for (k = 0; k < i; k++)
			if (!strcmp(config_setting_get_string_elem(list, k),
				    text))
				break;
		if (k < i)
			cf_complain(doc, list,
				    "the operator \"%s\" is there twice", text);
		config->operators[i] = cf_copy(&l->load, text);
		config->nr_operators++;
	}
}

static void take_server(struct loader *l, const struct cf_doc *doc,
			const config_setting_t *group)
{
	struct pb_config *config = l->config;

	cf_check_keys(doc, group, server_keys, ARRAY_SIZE(server_keys));
	config->is_server = true;
	cf_endpoint(doc, group, "listen", PB_SERVER_PORT, false,
		      &config->server_listen);
	config->store = cf_path(doc, group, "store");
	take_operators(l, doc, group);
}

static void take_client(struct loader *l, const struct cf_doc *doc,
			const config_setting_t *group)
{
	char *url;

	cf_check_keys(doc, group, client_keys, ARRAY_SIZE(client_keys));
	url = cf_url(doc, group, "server");
	if (l->is_node)
		free(url);
	else
		l->config->server = url;
}

static void take_tls(const struct loader *l, const struct cf_doc *doc,
		     const config_setting_t *group)
{
	struct pb_config *config = l->config;

	if (group)
		cf_check_keys(doc, group, tls_keys, ARRAY_SIZE(tls_keys));
	config->ca = cf_below(doc, group, "ca", "ca.pem");
	config->certificate = cf_below(doc, group, "certificate", "host.pem");
	config->key = cf_below(doc, group, "key", "host.key");
}

static void host_defaults(struct loader *l)
{
	struct pb_config *config = l->config;

	if (!config->hooks)
		config->hooks = cf_join(&l->load, config->dir, "hooks.d");
	if (!config->store)
		config->store = cf_copy(&l->load, "/var/lib/dm-pb/views.db");
}

static void take_host(struct loader *l)
{
	const struct cf_doc *doc = &l->host;
	const config_setting_t *root, *node, *server, *client;

	if (!cf_read(&l->host))
		return;
	root = config_root_setting(&doc->conf);
	cf_check_keys(doc, root, root_keys, ARRAY_SIZE(root_keys));
	node = cf_get(root, "node", CONFIG_TYPE_GROUP);
	server = cf_get(root, "server", CONFIG_TYPE_GROUP);
	client = cf_get(root, "client", CONFIG_TYPE_GROUP);
	if (node)
		take_node(l, doc, node);
	if (server)
		take_server(l, doc, server);
	if (client)
		take_client(l, doc, client);
	if (!config_setting_get_member(root, "node") &&
	    !config_setting_get_member(root, "server") &&
	    !config_setting_get_member(root, "client"))
		cf_complain(doc, root,
			    "there must be a group \"node\", \"server\" or \"client\"");
	take_tls(l, doc, cf_get(root, "tls", CONFIG_TYPE_GROUP));
	host_defaults(l);
}

/*
 * Volumes
 */

static void take_replica(const struct cf_doc *doc,
			 const config_setting_t *group,
			 struct pb_replica_config *replica)
{
	cf_check_keys(doc, group, replica_keys, ARRAY_SIZE(replica_keys));
	cf_name(doc, group, "node", replica->node);
	cf_endpoint(doc, group, "address", PB_LINK_PORT, true,
		      &replica->address);
	replica->data = cf_path(doc, group, "data");
	replica->meta = cf_path(doc, group, "meta");
	if (replica->data && replica->meta &&
	    !strcmp(replica->data, replica->meta))
		cf_complain(doc, cf_get(group, "meta", CONFIG_TYPE_STRING),
			    "\"meta\" is the same device as \"data\": leave it out to have both on one");
}

static void take_replicas(const struct cf_doc *doc,
			  const config_setting_t *list,
			  struct pb_volume_config *volume)
{
	int i, length = config_setting_length(list);
	const config_setting_t *group;
	int before;

	volume->replicas = cf_array(doc->load, length,
				    sizeof(*volume->replicas));
	if (!volume->replicas)
		return;
	if (length < 1 || length > PB_MAX_REPLICAS)
		cf_complain(doc, list, "a volume has from 1 to %d replicas",
			    PB_MAX_REPLICAS);
	for (i = 0; i < length; i++) {
		group = config_setting_get_elem(list, i);
		if (config_setting_type(group) != CONFIG_TYPE_GROUP) {
			cf_complain(doc, list, "\"replicas\" must be %s",
				    cf_type_text(CONFIG_TYPE_LIST));
			return;
		}
		take_replica(doc, group, &volume->replicas[i]);
		before = pb_config_replica(volume, volume->replicas[i].node);
		if (before >= 0 && volume->replicas[i].node[0])
			cf_complain(doc,
				    cf_get(group, "node", CONFIG_TYPE_STRING),
				    "the node \"%s\" has a replica already",
				    volume->replicas[i].node);
		volume->nr_replicas++;
	}
}

/* The line of a complaint about two settings: of one that is in the file. */
static const config_setting_t *either(const config_setting_t *root,
				      const char *first, const char *second)
{
	const config_setting_t *setting = cf_get(root, first, CONFIG_TYPE_INT);

	if (!setting)
		setting = cf_get(root, second, CONFIG_TYPE_INT);
	return setting ? setting : root;
}

static void take_times(const struct loader *l, const struct cf_doc *doc,
		       const config_setting_t *root,
		       struct pb_volume_config *volume)
{
	const struct number *number;
	bool good = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(volume_numbers); i++) {
		number = &volume_numbers[i];
		if (!cf_ms(doc, root, number->name, number->min, number->max,
			   (u32 *)((char *)volume + number->offset)))
			good = false;
	}
	/* A default in the place of a bad one would only confuse. */
	if (!good)
		return;
	if (volume->timeout_ms < 2 * volume->keepalive_ms)
		cf_complain(doc, either(root, "timeout_ms", "keepalive_ms"),
			    "\"timeout_ms\" (%u ms) must be at least twice \"keepalive_ms\" (%u ms)",
			    volume->timeout_ms, volume->keepalive_ms);
	if (l->is_node && volume->dead_after_ms < 3 * l->config->ping_ms)
		cf_complain(doc, either(root, "dead_after_ms", "dead_after_ms"),
			    "\"dead_after_ms\" (%u ms) must be at least three times the \"ping_ms\" of this node (%u ms)",
			    volume->dead_after_ms, l->config->ping_ms);
}

/* The file must be called as the volume, so that nobody looks for it. */
static void check_file_name(const struct cf_doc *doc,
			    const config_setting_t *setting, const char *name)
{
	const char *file = strrchr(doc->path, '/') + 1;
	size_t len = strlen(file) - strlen(SUFFIX);

	if (len != strlen(name) || memcmp(file, name, len))
		cf_complain(doc, setting,
			    "the file of the volume \"%s\" must be called %s" SUFFIX ", or the volume otherwise",
			    name, name);
}

static void take_volume(const struct loader *l, struct cf_doc *doc,
			struct pb_volume_config *volume)
{
	const config_setting_t *root, *setting;
	struct pb_error err;

	if (!cf_read(doc))
		return;
	root = config_root_setting(&doc->conf);
	cf_check_keys(doc, root, volume_keys, ARRAY_SIZE(volume_keys));
	setting = cf_name(doc, root, "name", volume->name);
	if (setting)
		check_file_name(doc, setting, volume->name);
	setting = cf_get(root, "uuid", CONFIG_TYPE_STRING);
	if (setting && pb_parse_uuid(config_setting_get_string(setting),
				     volume->uuid, &err))
		cf_complain(doc, setting, "%s", err.text);
	take_times(l, doc, root, volume);
	volume->reads = cf_word(doc, root, "reads", reads_words, volume->reads);
	volume->policy = cf_word(doc, root, "policy", policy_words,
				 volume->policy);
	setting = cf_get(root, "encrypt", CONFIG_TYPE_BOOL);
	if (setting)
		volume->encrypt = config_setting_get_bool(setting);
	setting = cf_get(root, "replicas", CONFIG_TYPE_LIST);
	if (setting)
		take_replicas(doc, setting, volume);
}

static int is_volume_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > strlen(SUFFIX) &&
	       !strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX);
}

/* By the volumes' names: "db" before "db-2", which is not so with the suffix. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	size_t len_a = strlen((*a)->d_name) - strlen(SUFFIX);
	size_t len_b = strlen((*b)->d_name) - strlen(SUFFIX);
	int order = memcmp((*a)->d_name, (*b)->d_name,
			   len_a < len_b ? len_a : len_b);

	return order ? order : (len_a > len_b) - (len_a < len_b);
}

static void take_volume_file(struct loader *l, const char *dir,
			     const char *name)
{
	struct pb_config *config = l->config;
	struct pb_volume_config *volume = &config->volumes[config->nr_volumes];
	struct cf_doc *doc = &l->volumes[config->nr_volumes];

	if (l->load.no_memory)
		return;
	config->nr_volumes++;
	*volume = volume_defaults;
	doc->load = &l->load;
	config_init(&doc->conf);
	doc->path = cf_join(&l->load, dir, name);
	volume->file = cf_join(&l->load, dir, name);
	if (doc->path && volume->file)
		take_volume(l, doc, volume);
}

static void take_volumes(struct loader *l)
{
	char *dir = cf_join(&l->load, l->config->dir, PB_CONFIG_VOLUMES);
	struct dirent **entries = NULL;
	int i, nr;

	if (!dir)
		return;
	nr = scandir(dir, &entries, is_volume_file, by_name);
	if (nr < 0 && errno == ENOMEM)
		l->load.no_memory = true;
	else if (nr < 0 && errno != ENOENT)
		cf_complain_line(&l->load, dir, 1, "cannot open it: %s",
				 strerror(errno));
	if (nr < 0)
		nr = 0;
	l->config->volumes = cf_array(&l->load, nr,
				      sizeof(*l->config->volumes));
	l->volumes = cf_array(&l->load, nr, sizeof(*l->volumes));
	for (i = 0; i < nr; i++) {
		take_volume_file(l, dir, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	free(dir);
}

/*
 * What no two volumes may share
 */

static const config_setting_t *replica_setting(const struct loader *l, u32 i,
					       u32 index, const char *name)
{
	const config_setting_t *setting;

	setting = config_root_setting(&l->volumes[i].conf);
	setting = cf_get(setting, "replicas", CONFIG_TYPE_LIST);
	setting = config_setting_get_elem(setting, index);
	return cf_get(setting, name, CONFIG_TYPE_STRING);
}

static bool same_path(const char *path, const struct pb_replica_config *other)
{
	return path && ((other->data && !strcmp(path, other->data)) ||
			(other->meta && !strcmp(path, other->meta)));
}

/* Who has the same device on the same node?  Each path with the first only. */
static void check_path(const struct loader *l, u32 i, u32 index,
		       const char *name, const char *path)
{
	const char *node = l->config->volumes[i].replicas[index].node;
	const struct pb_volume_config *other;
	u32 k;
	int at;

	for (k = 0; k < i; k++) {
		other = &l->config->volumes[k];
		at = *node ? pb_config_replica(other, node) : -1;
		if (at < 0 || !same_path(path, &other->replicas[at]))
			continue;
		cf_complain(&l->volumes[i], replica_setting(l, i, index, name),
			    "%s is in use on the node \"%s\" by %s: give each volume its own", path,
			    node, other->file);
		return;
	}
}

static bool same_address(const struct pb_replica_config *a,
			 const struct pb_replica_config *b)
{
	return a->address.host[0] &&
	       pb_same_endpoint(&a->address, &b->address) &&
	       a->node[0] && b->node[0] && strcmp(a->node, b->node);
}

/* Which other node has the same address, here or in a file before? */
static void check_address(const struct loader *l, u32 i, u32 index)
{
	const struct pb_volume_config *volumes = l->config->volumes;
	const struct pb_replica_config *mine = &volumes[i].replicas[index];
	u32 k, at, nr;

	for (k = 0; k <= i; k++) {
		nr = k < i ? volumes[k].nr_replicas : index;
		for (at = 0; at < nr; at++) {
			if (!same_address(mine, &volumes[k].replicas[at]))
				continue;
			cf_complain(&l->volumes[i],
				    replica_setting(l, i, index, "address"),
				    "the address of the node \"%s\" is also that of \"%s\" in %s: correct one, or give them different ports",
				    mine->node, volumes[k].replicas[at].node,
				    volumes[k].file);
			return;
		}
	}
}

/* Two of one name are not called alike: check_file_name() has seen one of them. */
static void check_uuids(const struct loader *l, u32 i, u32 k)
{
	const struct pb_volume_config *mine = &l->config->volumes[i];
	const struct pb_volume_config *other = &l->config->volumes[k];
	const struct cf_doc *doc = &l->volumes[i];
	const config_setting_t *root = config_root_setting(&doc->conf);

	if (!pb_all_zero(mine->uuid, PB_UUID_LEN) &&
	    !memcmp(mine->uuid, other->uuid, PB_UUID_LEN))
		cf_complain(doc, config_setting_get_member(root, "uuid"),
			    "the UUID is also that of %s: 'uuidgen' makes another",
			    other->file);
}

static void check_volumes(const struct loader *l)
{
	const struct pb_volume_config *volume;
	u32 i, k;

	for (i = 0; i < l->config->nr_volumes; i++) {
		volume = &l->config->volumes[i];
		for (k = 0; k < i; k++)
			check_uuids(l, i, k);
		for (k = 0; k < volume->nr_replicas; k++) {
			check_path(l, i, k, "data", volume->replicas[k].data);
			check_path(l, i, k, "meta", volume->replicas[k].meta);
			check_address(l, i, k);
		}
	}
}

/*
 * All of it
 */

static int load(struct loader *l, const char *dir)
{
	struct pb_config *config = l->config;

	config->dir = cf_copy(&l->load, dir);
	l->host.path = cf_join(&l->load, dir, PB_CONFIG_HOST);
	if (l->load.no_memory)
		return -ENOMEM;
	take_host(l);
	if (!l->load.no_memory)
		take_volumes(l);
	if (!l->load.no_memory)
		check_volumes(l);
	if (l->load.no_memory)
		return -ENOMEM;
	return l->load.nr_complaints ? -EINVAL : 0;
}

int pb_config_load(const char *dir, struct pb_config *config, FILE *complaints)
{
	struct pb_config loaded = {
		.listen		= { .port = PB_LINK_PORT },
		.server_listen	= { .port = PB_SERVER_PORT },
		.ping_ms	= 100,
	};
	struct loader l = {
		.load	= { .complaints = complaints, .dir = dir },
		.config	= &loaded,
		.host	= { .load = &l.load },
	};
	int ret;
	u32 i;

	config_init(&l.host.conf);
	ret = load(&l, dir);
	for (i = 0; i < loaded.nr_volumes; i++) {
		config_destroy(&l.volumes[i].conf);
		free(l.volumes[i].path);
	}
	free(l.volumes);
	config_destroy(&l.host.conf);
	free(l.host.path);
	if (ret)
		pb_config_free(&loaded);
	*config = loaded;
	return ret;
}

static void free_volume(struct pb_volume_config *volume)
{
	u32 i;

	for (i = 0; volume->replicas && i < volume->nr_replicas; i++) {
		free(volume->replicas[i].data);
		free(volume->replicas[i].meta);
	}
	free(volume->replicas);
	free(volume->file);
}

void pb_config_free(struct pb_config *config)
{
	u32 i;

	for (i = 0; i < config->nr_volumes; i++)
		free_volume(&config->volumes[i]);
	for (i = 0; i < config->nr_operators; i++)
		free(config->operators[i]);
	free(config->volumes);
	free(config->operators);
	free(config->dir);
	free(config->server);
	free(config->hooks);
	free(config->store);
	free(config->ca);
	free(config->certificate);
	free(config->key);
	memset(config, 0, sizeof(*config));
}

const struct pb_volume_config *
pb_config_volume(const struct pb_config *config, const char *spec)
{
	struct pb_error err;
	u8 uuid[PB_UUID_LEN];
	bool by_uuid = !pb_parse_uuid(spec, uuid, &err);
	u32 i;

	for (i = 0; i < config->nr_volumes; i++) {
		if (by_uuid ? !memcmp(config->volumes[i].uuid, uuid,
				      PB_UUID_LEN) :
			      !strcmp(config->volumes[i].name, spec))
			return &config->volumes[i];
	}
	return NULL;
}

int pb_config_replica(const struct pb_volume_config *volume, const char *node)
{
	u32 i;

	for (i = 0; i < volume->nr_replicas; i++)
		if (!strcmp(volume->replicas[i].node, node))
			return i;
	return -1;
}

const char *pb_config_nodes(const struct pb_volume_config *volume, char *text,
			    size_t size)
{
	size_t len = 0;
	u32 i;

	*text = '\0';
	for (i = 0; i < volume->nr_replicas && len < size; i++)
		len += snprintf(text + len, size - len, "%s%s", i ? ", " : "",
				volume->replicas[i].node);
	return text;
}

static int check_readable(const char *path, struct pb_error *err)
{
	FILE *file = fopen(path, "re");
	int error = errno;
	char byte;

	if (file) {
		errno = 0;
		error = fread(&byte, 1, 1, file) ? 0 : errno;
		fclose(file);
	}
	if (!error)
		return 0;
	return pb_fail(err, -error, "cannot read %s: %s: %s", path,
		       strerror(error), error == EACCES ? "run this as root" :
		       "put the certificate or key there");
}

int pb_config_check_files(const struct pb_config *config, struct pb_error *err)
{
	struct stat st;
	int ret;

	ret = check_readable(config->ca, err) ?:
	      check_readable(config->certificate, err) ?:
	      check_readable(config->key, err);
	/* Who has the key is this host to all the others. */
	if (!ret && !stat(config->key, &st) && st.st_mode & 0007)
		return pb_fail(err, -EPERM,
			       "everybody on this host may use the key %s: 'chmod 600' it",
			       config->key);
	return ret;
}
