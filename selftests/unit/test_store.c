// SPDX-License-Identifier: GPL-2.0
/*
 * The store: that what is saved comes back, after whatever happens to the
 * process, the file system, the power or the file; and that nothing else does.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "rnd.h"
#include "store.h"
#include "store_world.h"
#include "tap.h"

static char dir[64];
static char cut[80];
static char path[128];
static struct pb_error err;
static const u8 vol_a[PB_UUID_LEN] = { 0xa1, 2, 3 };
static const u8 vol_b[PB_UUID_LEN] = { 0xb1, 2, 3 };

static struct pv_store *open_store(void)
{
	struct pv_store *store = NULL;
	int ret = pv_sqlite_open(path, &store, &err);

	if (ret) {
		printf("# %d: %s\n", ret, err.text);
		return NULL;
	}
	return store;
}

static int open_fails(void)
{
	struct pv_store *store = NULL;
	int ret = pv_sqlite_open(path, &store, &err);

	if (!ret)
		store->ops->close(store);
	else if (!strstr(err.text, path))
		printf("# without the path: %s\n", err.text);
	return ret && strstr(err.text, path) ? ret : 0;
}

static void remove_files(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s/*", dir);
	if (system(command))
		exit(1);
}

static int nr_files(void)
{
	struct dirent **entries;
	int i, nr = scandir(dir, &entries, NULL, NULL);

	for (i = 0; i < nr; i++)
		free(entries[i]);
	free(entries);
	return nr - 2;
}

static bool has_file(const char *suffix)
{
	char name[192];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return !access(name, F_OK);
}

/* A state with something in every field, different for each number. */
static void make(struct pv_stored *stored, u64 number)
{
	struct pv_stored_view *view = &stored->view;
	u32 i;

	memset(stored, 0, sizeof(*stored));
	if (!number)
		return;
	view->number = number;
	view->time_ns = 1700000000000000000ULL + number;
	view->why = number % PV_WHY_NR;
	snprintf(view->by, sizeof(view->by), "operator-%llu",
		 (unsigned long long)number);
	view->nr = 1 + number % PV_MAX_MEMBERS;
	for (i = 0; i < view->nr; i++) {
		snprintf(view->members[i].node, PB_NAME_LEN, "node-%u", i);
		view->members[i].synced = !i || number % 3;
		memset(view->members[i].replica, 0x10 + i, PB_UUID_LEN);
		view->members[i].incarnation = ~number << i;
	}
	stored->acked = number % 5;
	stored->handover = number % 4 == 1;
	stored->nr_evicted = number % 3;
	for (i = 0; i < stored->nr_evicted; i++)
		snprintf(stored->evicted[i], PB_NAME_LEN, "gone-%u-%u", i,
			 (u32)number);
}

static int save_this(struct pv_store *store, const u8 *volume,
		     const struct pv_stored *stored)
{
	const struct pv_save save = { volume, stored };

	return store->ops->save(store, &save, 1, &err);
}

static int save(struct pv_store *store, const u8 *volume, u64 number)
{
	struct pv_stored stored;

	make(&stored, number);
	return save_this(store, volume, &stored);
}

static bool holds(struct pv_store *store, const u8 *volume,
		  const struct pv_stored *want)
{
	struct pv_stored got;

	memset(&got, 0xee, sizeof(got));
	if (store->ops->load(store, volume, &got, &err)) {
		printf("# %s\n", err.text);
		return false;
	}
	return !memcmp(&got, want, sizeof(got));
}

static bool holds_number(struct pv_store *store, const u8 *volume, u64 number)
{
	struct pv_stored want;

	make(&want, number);
	return holds(store, volume, &want);
}

static int count(struct pv_store *store, const u8 *volume)
{
	struct pv_stored_view views[64];

	return store->ops->history(store, volume, 0, views, 64, &err);
}

/* A store with @last views of volume a, one of volume b; closed. */
static void fill(u64 last)
{
	struct pv_store *store;
	u64 number;

	remove_files();
	store = open_store();
	for (number = 1; number <= last; number++)
		save(store, vol_a, number);
	save(store, vol_b, 7);
	store->ops->close(store);
}

static void test_new(void)
{
	struct pv_store *store;
	struct stat st = { 0 };
	mode_t mask = umask(0);

	store = open_store();
	umask(mask);
	ok(store, "a store is made where there is none");
	stat(path, &st);
	is(st.st_mode & 0777, 0600, "it is for its owner only");
	ok(holds_number(store, vol_a, 0), "it knows nothing of a volume");
	is(count(store, vol_a), 0, "nor a history");
	store->ops->close(store);
	store = open_store();
	ok(store && holds_number(store, vol_a, 0), "it is opened again");
	store->ops->close(store);
	is(nr_files(), 1, "nothing else is left in its directory");
}

static void test_extremes(struct pv_store *store)
{
	struct pv_stored stored;
	u32 i;

	make(&stored, 100);
	stored.view.number = PV_MAX_VIEW;
	stored.view.time_ns = U64_MAX;
	stored.view.why = PV_WHY_NR - 1;
	stored.view.nr = PV_MAX_MEMBERS;
	memset(stored.view.by, ' ', PV_BY_LEN - 1);
	for (i = 0; i < PV_MAX_MEMBERS; i++) {
		memset(stored.view.members[i].node, 'a' + i, PB_NAME_LEN - 1);
		memset(stored.view.members[i].replica, 0, PB_UUID_LEN);
		stored.view.members[i].incarnation = U64_MAX - i;
		stored.view.members[i].synced = false;
	}
	stored.nr_evicted = PV_MAX_NODES;
	for (i = 0; i < PV_MAX_NODES; i++)
		snprintf(stored.evicted[i], PB_NAME_LEN, "%031u", 1000 - i);
	is(save_this(store, vol_b, &stored), 0,
	   "the greatest of everything is saved");
	ok(holds(store, vol_b, &stored), "and comes back, in order");
}

static void test_save(void)
{
	struct pv_stored stored;
	struct pv_store *store;
	bool good = true;
	u64 number;

	remove_files();
	store = open_store();
	is(save(store, vol_a, 0), 0, "a state without a view is saved");
	ok(holds_number(store, vol_a, 0), "and comes back");
	make(&stored, 0);
	stored.nr_evicted = 1;
	strcpy(stored.evicted[0], "alpha");
	is(save_this(store, vol_a, &stored), 0,
	   "so is one with an evicted node");
	ok(holds(store, vol_a, &stored), "and comes back");
	for (number = 1; number <= 20; number++) {
		good = good && !save(store, vol_a, number) &&
		       holds_number(store, vol_a, number) &&
		       !save(store, vol_a, number) &&
		       holds_number(store, vol_a, number) &&
		       count(store, vol_a) == (int)number;
	}
	ok(good, "20 views are saved, each twice, and each comes back");
	ok(holds_number(store, vol_b, 0), "another volume has none of them");
	test_extremes(store);
	ok(holds_number(store, vol_a, 20), "the first volume is as before");
	make(&stored, 20);
	stored.acked = !stored.acked;
	stored.handover = !stored.handover;
	stored.nr_evicted = 1;
	memset(stored.evicted, 0, sizeof(stored.evicted));
	strcpy(stored.evicted[0], "zulu");
	is(save_this(store, vol_a, &stored), 0,
	   "the view stays, all else changes");
	store->ops->close(store);
	store = open_store();
	ok(holds(store, vol_a, &stored), "all of it is there after a restart");
	is(count(store, vol_a), 20, "and the history");
	store->ops->close(store);
}

/* Of several volumes all are saved, or none. */
static void test_together(void)
{
	struct pv_stored a, b;
	struct pv_save saves[] = { { vol_a, &a }, { vol_b, &b } };
	struct pv_store *store;

	remove_files();
	store = open_store();
	make(&a, 3);
	make(&b, 5);
	is(store->ops->save(store, saves, 2, &err), 0, "two at once");
	ok(holds(store, vol_a, &a) && holds(store, vol_b, &b), "both are saved");
	make(&a, 4);
	make(&b, 4);
	is(store->ops->save(store, saves, 2, &err), -EEXIST,
	   "the second has an older view than is known");
	ok(holds_number(store, vol_a, 3) && holds_number(store, vol_b, 5),
	   "nothing is saved of either");
	make(&b, 6);
	b.view.nr = 0;
	is(store->ops->save(store, saves, 2, &err), -EINVAL,
	   "the second makes no sense");
	ok(holds_number(store, vol_a, 3) && holds_number(store, vol_b, 5),
	   "nor is the first");
	is(save(store, vol_a, 4), 0, "by itself it is");
	store->ops->close(store);
	store = open_store();
	ok(holds_number(store, vol_a, 4) && holds_number(store, vol_b, 5),
	   "all of it is there after a restart");
	store->ops->close(store);
}

static bool are_views(const struct pv_stored_view *views, int nr, u64 first)
{
	struct pv_stored want;
	int i;

	for (i = 0; i < nr; i++) {
		make(&want, first + i);
		if (memcmp(&views[i], &want.view, sizeof(views[i])))
			return false;
	}
	return true;
}

static void test_history(void)
{
	struct pv_stored_view views[32];
	struct pv_store *store;
	int nr;

	fill(12);
	store = open_store();
	nr = store->ops->history(store, vol_a, 1, views, 32, &err);
	ok(nr == 12 && are_views(views, 12, 1), "all of it, in order");
	nr = store->ops->history(store, vol_a, 5, views, 3, &err);
	ok(nr == 3 && are_views(views, 3, 5), "three from 5 on");
	nr = store->ops->history(store, vol_a, 11, views, 3, &err);
	ok(nr == 2 && are_views(views, 2, 11), "fewer at the end");
	is(store->ops->history(store, vol_a, 13, views, 3, &err), 0,
	   "none after the last");
	is(store->ops->history(store, vol_a, U64_MAX, views, 3, &err), 0,
	   "none from 2^64 - 1 on, which is no negative number");
	is(store->ops->history(store, vol_a, 1, views, 0, &err), 0,
	   "none if there is no room");
	nr = store->ops->history(store, vol_b, 0, views, 32, &err);
	ok(nr == 1 && are_views(views, 1, 7), "the other volume's");
	is(save(store, vol_a, 40), 0, "a view far above the last is saved");
	nr = store->ops->history(store, vol_a, 12, views, 32, &err);
	ok(nr == 2 && are_views(views, 1, 12) && are_views(views + 1, 1, 40),
	   "and follows it");
	store->ops->close(store);
}

enum change { TIME, WHY, BY, NR, NODE, SYNCED, REPLICA, OLDER, NONE, NR_CHANGES };

static void change_view(struct pv_stored *stored, enum change change)
{
	struct pv_stored_view *view = &stored->view;

	switch (change) {
	case TIME:
		view->time_ns++;
		break;
	case WHY:
		view->why = !view->why;
		break;
	case BY:
		view->by[0] = 'x';
		break;
	case NR:
		view->nr = 1;
		break;
	case NODE:
		view->members[1].node[0] = 'x';
		break;
	case SYNCED:
		view->members[1].synced = !view->members[1].synced;
		break;
	case REPLICA:
		view->members[0].replica[15]++;
		break;
	case OLDER:
		make(stored, view->number - 1);
		break;
	default:
		make(stored, 0);
		break;
	}
}

static void test_immutable(void)
{
	static const char * const names[NR_CHANGES] = {
		"time", "why", "by", "number of members", "node", "synced",
		"replica", "an earlier view", "no view",
	};
	struct pv_stored stored;
	struct pv_store *store;
	enum change i;
	int ret;

	fill(5);
	store = open_store();
	for (i = TIME; i < NR_CHANGES; i++) {
		make(&stored, 5);
		change_view(&stored, i);
		stored.acked = false;
		ret = save_this(store, vol_a, &stored);
		ok(ret == -EEXIST && holds_number(store, vol_a, 5),
		   "the history does not change: %s", names[i]);
	}
	make(&stored, 5);
	stored.view.members[1].incarnation = 1ULL << 63;
	is(save_this(store, vol_a, &stored), 0,
	   "but for incarnations");
	ok(holds(store, vol_a, &stored), "which do");
	is(count(store, vol_a), 5, "and there are as many views as before");
	store->ops->close(store);
	store = open_store();
	ok(holds(store, vol_a, &stored), "also after a restart");
	store->ops->close(store);
}

static void spoil(struct pv_stored *stored, unsigned int how)
{
	struct pv_stored_view *view = &stored->view;

	switch (how) {
	case 0:
		view->number = PV_MAX_VIEW + 1;
		break;
	case 1:
		view->why = PV_WHY_NR;
		break;
	case 2:
		view->nr = 0;
		break;
	case 3:
		view->nr = PV_MAX_MEMBERS + 1;
		break;
	case 4:
		memset(view->by, 'x', PV_BY_LEN);
		break;
	case 5:
		strcpy(view->by, "a\nb");
		break;
	case 6:
		strcpy(view->members[0].node, "a b");
		break;
	case 7:
		memset(view->members[1].node, 'x', PB_NAME_LEN);
		break;
	case 8:
		strcpy(view->members[1].node, view->members[0].node);
		break;
	case 9:
		stored->nr_evicted = PV_MAX_NODES + 1;
		break;
	case 10:
		stored->evicted[1][0] = '\0';
		break;
	case 11:
		strcpy(stored->evicted[1], stored->evicted[0]);
		break;
	case 12:
		make(stored, 0);
		stored->acked = true;
		break;
	default:
		make(stored, 0);
		stored->handover = true;
		break;
	}
}

#define NR_SPOILT	14

static void test_nonsense(void)
{
	struct pv_stored stored;
	struct pv_store *store;
	unsigned int i;
	int ret;

	fill(4);
	store = open_store();
	for (i = 0; i < NR_SPOILT; i++) {
		make(&stored, 5);
		spoil(&stored, i);
		ret = save_this(store, vol_a, &stored);
		ok(ret == -EINVAL && holds_number(store, vol_a, 4),
		   "not saved: %s", err.text);
	}
	store->ops->close(store);
}

static int second_open(void)
{
	struct timespec begin, end;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	ret = open_fails();
	clock_gettime(CLOCK_MONOTONIC, &end);
	return end.tv_sec - begin.tv_sec < 2 ? ret : 0;
}

static int in_child(int (*what)(void))
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		_exit(-what());
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}

static void test_second(void)
{
	struct pv_store *store;

	fill(3);
	store = open_store();
	is(second_open(), -EBUSY, "it is opened once in a process");
	is(in_child(second_open), -EBUSY, "and nowhere else, before a save");
	is(save(store, vol_a, 4), 0, "a save");
	is(in_child(second_open), -EBUSY, "and after it");
	is(save(store, vol_a, 3), -EEXIST, "a save that fails");
	is(in_child(second_open), -EBUSY, "and after that");
	store->ops->close(store);
	is(in_child(second_open), 0, "it is free when it is closed");
}

/* SQL on the file, by somebody else. */
static void sql(const char *text)
{
	char *message = NULL;
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		printf("# %s: %s\n", text, message ? message : "cannot open");
	sqlite3_free(message);
	sqlite3_close(db);
}

static void write_file(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		exit(1);
	close(fd);
}

static void test_foreign(void)
{
	static const char text[] = "This is not a database, but a longer text.";
	char page[4096];

	remove_files();
	write_file(path, text, sizeof(text));
	is(open_fails(), -EUCLEAN, "a text is not a store");
	memset(page, 'x', sizeof(page));
	write_file(path, page, sizeof(page));
	is(open_fails(), -EUCLEAN, "nor is a longer one");
	write_file(path, "", 0);
	is(open_fails(), -EUCLEAN, "an empty file is not that of a new server");
	remove_files();
	sql("CREATE TABLE songs (title TEXT)");
	is(open_fails(), -EUCLEAN, "nor is somebody's database");
	remove_files();
	mkdir(path, 0700);
	is(open_fails(), -EUCLEAN, "nor is a directory");
	rmdir(path);
	snprintf(path, sizeof(path), "%s/none/views.db", dir);
	is(open_fails(), -ENOENT, "its directory is not made");
	ok(strstr(err.text, "directory"), "and is what is complained of");
	snprintf(path, sizeof(path), "%s/file/views.db", dir);
	snprintf(page, sizeof(page), "%s/file", dir);
	write_file(page, "", 0);
	is(open_fails(), -ENOTDIR, "nor found in a file");
	snprintf(path, sizeof(path), "%s/views.db", dir);
}

static void test_versions(void)
{
	struct pv_store *store;

	fill(3);
	sql("PRAGMA user_version = 2");
	is(open_fails(), -EPROTONOSUPPORT, "a later version is refused");
	sql("PRAGMA user_version = 0");
	is(open_fails(), -EUCLEAN, "so is one before the first");
	sql("PRAGMA user_version = 1; PRAGMA application_id = 5");
	is(open_fails(), -EUCLEAN, "and another application's");
	fill(3);
	sql("CREATE TABLE more (x)");
	is(open_fails(), -EUCLEAN, "and one with another table");
	fill(3);
	sql("ALTER TABLE views RENAME COLUMN nr TO number_of");
	is(open_fails(), -EUCLEAN, "and one with another column");
	fill(3);
	sql("PRAGMA journal_mode = WAL; UPDATE states SET acked = acked");
	store = open_store();
	ok(store && holds_number(store, vol_a, 3),
	   "another kind of journal does not matter");
	ok(!has_file("-wal"), "and is changed");
	store->ops->close(store);
	remove_files();
	snprintf(path, sizeof(path), "%s/views.db-journal", dir);
	write_file(path, "x", 1);
	snprintf(path, sizeof(path), "%s/views.db", dir);
	is(open_fails(), -EUCLEAN, "no new store beside an old journal");
}

/* What somebody could have changed, with or without a word from SQLite. */
static const char * const changes[] = {
	"DELETE FROM states WHERE volume = ?",
	"UPDATE states SET number = 4 WHERE volume = ?",
	"UPDATE states SET number = 9 WHERE volume = ?",
	"UPDATE states SET number = NULL WHERE volume = ?",
	"UPDATE states SET acked = 1 - acked WHERE volume = ?",
	"UPDATE states SET handover = 1 - handover WHERE volume = ?",
	"UPDATE states SET nr_evicted = 1 WHERE volume = ?",
	"UPDATE states SET nr_evicted = 3 WHERE volume = ?",
	"UPDATE states SET nr_evicted = -1 WHERE volume = ?",
	"UPDATE states SET nr_evicted = 4294967298 WHERE volume = ?",
	"UPDATE states SET crc = crc + 4294967296 WHERE volume = ?",
	"UPDATE evicted SET node = 'other' WHERE volume = ? AND place = 0",
	"UPDATE evicted SET node = 'a b' WHERE volume = ? AND place = 0",
	"UPDATE evicted SET node = hex(zeroblob(40)) WHERE volume = ?",
	"DELETE FROM evicted WHERE volume = ?",
	"INSERT INTO evicted VALUES (?, 9, 'more')",
	"DELETE FROM views WHERE number = 5 AND volume = ?",
	"UPDATE views SET time_ns = 1 WHERE number = 5 AND volume = ?",
	"UPDATE views SET why = 6 WHERE number = 5 AND volume = ?",
	"UPDATE views SET why = 99 WHERE number = 5 AND volume = ?",
	"UPDATE views SET why = 4294967301 WHERE number = 5 AND volume = ?",
	"UPDATE views SET operator = 'x' WHERE number = 5 AND volume = ?",
	"UPDATE views SET operator = hex(zeroblob(99)) WHERE volume = ?",
	"UPDATE views SET operator = 'operator-5' || char(0) WHERE volume = ?",
	"UPDATE views SET nr = 1 WHERE number = 5 AND volume = ?",
	"UPDATE views SET nr = 0 WHERE number = 5 AND volume = ?",
	"UPDATE views SET nr = 99 WHERE number = 5 AND volume = ?",
	"UPDATE views SET crc = 5 WHERE number = 5 AND volume = ?",
	"UPDATE members SET node = 'x' WHERE number = 5 AND volume = ?",
	"UPDATE members SET node = hex(zeroblob(16)) WHERE volume = ?",
	"UPDATE members SET synced = 0 WHERE number = 5 AND volume = ?",
	"UPDATE members SET replica = x'01' WHERE number = 5 AND volume = ?",
	"UPDATE members SET replica = zeroblob(17) WHERE volume = ?",
	"UPDATE members SET replica = zeroblob(16) WHERE volume = ?",
	"UPDATE members SET incarnation = 7 WHERE number = 5 AND volume = ?",
	"UPDATE members SET place = 2 WHERE place = 0 AND volume = ?",
	"DELETE FROM members WHERE number = 5 AND place = 1 AND volume = ?",
	"INSERT INTO members VALUES (?, 5, 2, 'x', 1, zeroblob(16), 1)",
};

static void test_changed(void)
{
	struct pv_stored stored;
	struct pv_store *store;
	char text[256];
	size_t i;
	int ret, at;

	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		fill(5);
		at = strchr(changes[i], '?') - changes[i];
		snprintf(text, sizeof(text),
			 "PRAGMA foreign_keys = OFF; %.*sx'a1020300000000000000000000000000'%s",
			 at, changes[i], changes[i] + at + 1);
		sql(text);
		ret = pv_sqlite_open(path, &store, &err);
		if (!ret) {
			memset(&stored, 0xee, sizeof(stored));
			ret = store->ops->load(store, vol_a, &stored, &err);
			if (!holds_number(store, vol_b, 7) ||
			    (ret && !pb_all_zero(&stored, sizeof(stored))))
				ret = 1;
			store->ops->close(store);
		}
		ok(ret == -EUCLEAN && strstr(err.text, path), "%s: %s",
		   changes[i], ret ? err.text : "unnoticed");
	}
}

/* An error, or all as it was: 0 and 1; anything else is -1. */
static int old_or_error(u64 last)
{
	struct pv_stored_view views[32];
	struct pv_stored stored, want;
	struct pv_store *store;
	int ret = 1, nr;

	if (pv_sqlite_open(path, &store, &err))
		return 0;
	make(&want, last);
	if (store->ops->load(store, vol_a, &stored, &err))
		ret = 0;
	else if (memcmp(&stored, &want, sizeof(stored)))
		ret = -1;
	nr = store->ops->history(store, vol_a, 0, views, 32, &err);
	if (nr < 0)
		ret = ret < 0 ? ret : 0;
	else if (nr != (int)last || !are_views(views, nr, 1))
		ret = -1;
	if (store->ops->load(store, vol_b, &stored, &err))
		ret = ret < 0 ? ret : 0;
	else if (!holds_number(store, vol_b, 7))
		ret = -1;
	store->ops->close(store);
	return ret;
}

static char image[1 << 17];

static size_t read_image(void)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, image, sizeof(image));

	close(fd);
	return len;
}

#define FLIPS	2500

static void test_damage(void)
{
	unsigned int i, old = 0, bad = 0;
	size_t len, at;
	char byte;
	int ret;

	fill(9);
	len = read_image();
	for (i = 0; i < FLIPS; i++) {
		/* All of the header, then anywhere. */
		at = i < 100 ? i : rnd() % len;
		byte = image[at];
		image[at] ^= rnd() % 2 ? 1ULL << rnd() % 8 : 1 + rnd() % 255;
		write_file(path, image, len);
		image[at] = byte;
		ret = old_or_error(9);
		old += ret > 0;
		bad += ret < 0;
	}
	is(bad, 0, "a byte flips: an error, or nothing has changed");
	printf("# %u of %u bytes do not matter\n", old, FLIPS);
	bad = 0;
	old = 0;
	for (i = 0; i < 200; i++) {
		at = i < 50 ? i * len / 50 : rnd() % len;
		write_file(path, image, at);
		ret = old_or_error(9);
		old += ret > 0;
		bad += ret < 0;
	}
	is(bad, 0, "the file is cut: an error, or nothing has changed");
	is(old, 0, "and it is always noticed");
	memset(image + len, 'x', 4096);
	write_file(path, image, len + 1000);
	ok(old_or_error(9) >= 0, "something is added to it");
}

static int limited(void)
{
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct pv_store *store = open_store();
	int ret;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	ret = save(store, vol_a, 6);
	if (ret != -EIO && ret != -ENOSPC)
		return -1;
	if (!holds_number(store, vol_a, 5))
		return -2;
	/* Enough for the journal's first page, not for all. */
	limit.rlim_cur = 2000;
	setrlimit(RLIMIT_FSIZE, &limit);
	ret = save(store, vol_a, 6);
	if (ret != -EIO && ret != -ENOSPC)
		return -3;
	if (!holds_number(store, vol_a, 5) || count(store, vol_a) != 5)
		return -4;
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	if (in_child(second_open) != -EBUSY)
		return -5;
	if (save(store, vol_a, 6) || !holds_number(store, vol_a, 6))
		return -6;
	store->ops->close(store);
	return -7;
}

static void fill_up(const char *name)
{
	static char zeros[4096];
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	close(fd);
}

/* In a file system that can be filled, and then made read-only. */
static int full(void)
{
	struct pv_store *store;
	char name[128];
	u64 number = 6;
	int ret;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, "size=256k"))
		return -1;
	fill(5);
	store = open_store();
	snprintf(name, sizeof(name), "%s/ballast", dir);
	fill_up(name);
	do {
		ret = save(store, vol_a, number++);
	} while (!ret && number < 500);
	if (ret != -ENOSPC)
		return -2;
	number -= 2;
	if (!holds_number(store, vol_a, number))
		return -3;
	unlink(name);
	if (save(store, vol_a, ++number) ||
	    !holds_number(store, vol_a, number))
		return -4;
	store->ops->close(store);
	fill_up(name);
	if (mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL))
		return -1;
	if (open_fails() != -EROFS)
		return -5;
	return -6;
}

static void test_limits(void)
{
	struct pv_store *store;
	int ret;

	fill(5);
	is(in_child(limited), -7, "a file may not grow: an error, the state before, and on when it may");
	store = open_store();
	ok(store && holds_number(store, vol_a, 6), "and it is there afterwards");
	store->ops->close(store);
	ret = in_child(full);
	if (ret == -1)
		ok(true, "a full file system # SKIP cannot mount one");
	else
		is(ret, -6, "a full file system: an error, the state before, and on when it is not; not read-only");
	fill(5);
	store = open_store();
	is(chmod(path, 0400) + save(store, vol_a, 6), 0,
	   "what is open goes on with another mode");
	store->ops->close(store);
}

/* Saves for ever, and reports each that is done. */
static void save_on(int report)
{
	struct pv_store *store = open_store();
	struct pv_stored stored;
	u64 number;

	if (!store || store->ops->load(store, vol_a, &stored, &err))
		_exit(1);
	for (number = stored.view.number + 1; ; number++)
		if (save(store, vol_a, number) ||
		    write(report, &number, sizeof(number)) != sizeof(number))
			_exit(1);
}

/* Returns what was reported last, or 0. */
static u64 killed(unsigned int us, u64 last)
{
	int fds[2], status;
	u64 number;
	pid_t child;

	if (pipe(fds))
		return 0;
	fflush(stdout);
	child = fork();
	if (!child) {
		close(fds[0]);
		save_on(fds[1]);
	}
	close(fds[1]);
	usleep(us);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	while (read(fds[0], &number, sizeof(number)) == sizeof(number))
		last = number;
	close(fds[0]);
	return WIFSIGNALED(status) ? last : 0;
}

/* Is there a journal to roll back? */
static bool is_hot(void)
{
	char name[160], head = 0;
	int fd;

	snprintf(name, sizeof(name), "%s-journal", path);
	fd = open(name, O_RDONLY);
	if (fd < 0)
		return false;
	if (read(fd, &head, 1) < 0)
		head = 0;
	close(fd);
	return head;
}

static void test_killed(void)
{
	unsigned int round, rounds = 40, journals = 0, late = 0, bad = 0;
	struct pv_stored_view views[4000];
	struct pv_stored stored;
	struct pv_store *store;
	u64 last = 1;
	int nr;

	fill(1);
	for (round = 0; round < rounds; round++) {
		last = killed(3000 + rnd() % 100000, last);
		journals += is_hot();
		store = open_store();
		if (!store || !last ||
		    store->ops->load(store, vol_a, &stored, &err)) {
			bad++;
			break;
		}
		nr = store->ops->history(store, vol_a, 1, views, 4000, &err);
		if (stored.view.number < last ||
		    stored.view.number > last + 1 ||
		    !holds_number(store, vol_a, stored.view.number) ||
		    nr != (int)stored.view.number || !are_views(views, nr, 1))
			bad++;
		late += stored.view.number > last;
		last = stored.view.number;
		store->ops->close(store);
	}
	is(bad, 0, "killed at any moment: what was reported is there, all of it");
	printf("# %u kills, %u views, %u with a journal to roll back, %u saves not reported\n",
	       rounds, (unsigned int)last, journals, late);
}

/* After a power cut: opened elsewhere, to see what is there. */
static struct pv_store *open_cut(void)
{
	struct pv_store *store = NULL;

	if (!world_cut(cut))
		return NULL;
	snprintf(path, sizeof(path), "%s/views.db", cut);
	if (has_file(""))
		store = open_store();
	snprintf(path, sizeof(path), "%s/views.db", dir);
	return store;
}

static void test_power(void)
{
	struct pv_store *store, *again;
	unsigned int bad = 0;
	u64 number;

	remove_files();
	world_begin(dir);
	store = open_store();
	again = open_cut();
	ok(again && holds_number(again, vol_a, 0),
	   "the power is cut: a new store is there, complete");
	for (number = 1; number <= 30; number++) {
		if (again)
			again->ops->close(again);
		if (number % 7 == 0) {
			store->ops->close(store);
			store = open_store();
		}
		if (save(store, vol_a, number))
			bad++;
		again = open_cut();
		if (!again || !holds_number(again, vol_a, number) ||
		    count(again, vol_a) != (int)number)
			bad++;
	}
	is(bad, 0, "the power is cut: what was saved is there");
	if (again)
		again->ops->close(again);
	store->ops->close(store);
	world_end();
}

int main(void)
{
	char command[192];
	int ret;

	snprintf(dir, sizeof(dir), "/tmp/test_store.XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(cut, sizeof(cut), "%s-cut", dir);
	snprintf(path, sizeof(path), "%s/views.db", dir);
	tap_begin();
	test_new();
	test_save();
	test_together();
	test_history();
	test_immutable();
	test_nonsense();
	test_second();
	test_foreign();
	test_versions();
	test_changed();
	test_damage();
	test_limits();
	test_killed();
	test_power();
	ret = tap_end();
	snprintf(command, sizeof(command), "rm -rf %s %s", dir, cut);
	return system(command) ? 1 : ret;
}
