// SPDX-License-Identifier: GPL-2.0
/*
 * The database file of a view server.
 *
 * The journal is SQLite's older kind, a rollback journal.  Views are made a few
 * times a day, so what a write-ahead log would save does not matter.  Between
 * two saves all that there is stands in one file; and damage cannot turn it
 * into an earlier state of itself, as it can with a write-ahead log, which ends
 * without a word at its first damaged frame.
 *
 * A save is durable when it returns.  SQLite syncs the journal with its
 * directory entry, then the database, then the journal's end: with
 * synchronous = FULL where it overwrites the journal, which it does under an
 * exclusive lock, and with EXTRA also where it removes it.  EXTRA, so as not to
 * depend on which it does.
 *
 * The file is made under another name and linked when it is complete.  So an
 * empty one is never ours, and is not taken for that of a new server: that
 * would forget every view.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store-db.h"

#define APPLICATION_ID	1685086838	/* "dpbv" */
#define USER_VERSION	1

#define STRINGIFY(x)	#x
#define TEXT_OF(x)	STRINGIFY(x)

/* A file is ours if it has these, to the letter, and nothing else. */
static const char * const schema[] = {
	"CREATE TABLE views (volume BLOB NOT NULL, number INTEGER NOT NULL, time_ns INTEGER NOT NULL, why INTEGER NOT NULL, operator TEXT NOT NULL, nr INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (volume, number)) STRICT, WITHOUT ROWID",
	"CREATE TABLE members (volume BLOB NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, node TEXT NOT NULL, synced INTEGER NOT NULL, replica BLOB NOT NULL, incarnation INTEGER NOT NULL, PRIMARY KEY (volume, number, place), FOREIGN KEY (volume, number) REFERENCES views) STRICT, WITHOUT ROWID",
	"CREATE TABLE states (volume BLOB NOT NULL PRIMARY KEY, number INTEGER, acked INTEGER NOT NULL, handover INTEGER NOT NULL, nr_evicted INTEGER NOT NULL, crc INTEGER NOT NULL, FOREIGN KEY (volume, number) REFERENCES views) STRICT, WITHOUT ROWID",
	"CREATE TABLE evicted (volume BLOB NOT NULL REFERENCES states, place INTEGER NOT NULL, node TEXT NOT NULL, PRIMARY KEY (volume, place)) STRICT, WITHOUT ROWID",
};

static int io_error(sqlite3 *db)
{
	int error = sqlite3_system_errno(db);

	if (sqlite3_extended_errcode(db) == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	return error == ENOSPC || error == EDQUOT ? -ENOSPC : -EIO;
}

static int error_of(sqlite3 *db)
{
	switch (sqlite3_errcode(db)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
		return sqlite3_system_errno(db) ? -sqlite3_system_errno(db) :
						  -EIO;
	case SQLITE_IOERR:
		return io_error(db);
	case SQLITE_AUTH:
	case SQLITE_PERM:
		return -EACCES;
	case SQLITE_CONSTRAINT:
	case SQLITE_CORRUPT:
	case SQLITE_ERROR:
	case SQLITE_MISMATCH:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
	case SQLITE_TOOBIG:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

/* Why the last call failed. */
static int sql_fail(struct store_db *s, struct pb_error *err)
{
	int system = sqlite3_system_errno(s->db), error = error_of(s->db);

	s->failed = true;
	if (error == -EBUSY)
		return pb_fail(err, error, "%s is in use by another process: is a view server running already?",
			       s->path);
	if (error == -EUCLEAN || error == -ENOMEM || !system)
		return pb_fail(err, error, "%s: %s: see 'The store is lost' in runbook.rst",
			       s->path, sqlite3_errmsg(s->db));
	return pb_fail(err, error, "%s: %s: %s", s->path,
		       sqlite3_errmsg(s->db), strerror(system));
}

int sdb_unclean(struct store_db *s, const char *what, struct pb_error *err)
{
	return pb_fail(err, -EUCLEAN, "%s makes no sense: %s", s->path, what);
}

/* SQL without parameters and without results. */
static int run(struct store_db *s, const char *sql, struct pb_error *err)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_fail(s, err);
	return 0;
}

/* The first column of the first row of @sql, with @text as ?1, is @want. */
static int check(struct store_db *s, const char *sql, const char *text,
		 const char *want, const char *otherwise, struct pb_error *err)
{
	const char *got = NULL;
	sqlite3_stmt *stmt;
	int ret = 0, rc;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sql_fail(s, err);
	if (text)
		sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		got = (const char *)sqlite3_column_text(stmt, 0);
	else if (rc != SQLITE_DONE)
		ret = sql_fail(s, err);
	if (!ret && strcmp(got ? got : "", want))
		ret = pb_fail(err, -EUCLEAN, "%s %s", s->path, otherwise);
	sqlite3_finalize(stmt);
	return ret;
}

sqlite3_stmt *sdb_use(struct store_db *s, unsigned int which, const u8 *volume)
{
	sqlite3_stmt *stmt = s->stmts[which];

	if (volume)
		sqlite3_bind_blob(stmt, 1, volume, PB_UUID_LEN, SQLITE_STATIC);
	return stmt;
}

void sdb_bind(sqlite3_stmt *stmt, int index, u64 value)
{
	sqlite3_bind_int64(stmt, index, (sqlite3_int64)value);
}

void sdb_bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
	sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

int sdb_step(struct store_db *s, sqlite3_stmt *stmt, struct pb_error *err)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : sql_fail(s, err);
}

int sdb_finish(struct store_db *s, sqlite3_stmt *stmt, struct pb_error *err)
{
	int ret = sdb_step(s, stmt, err);

	sqlite3_reset(stmt);
	return ret;
}

u64 sdb_number(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt, column);
}

bool sdb_text(sqlite3_stmt *stmt, int column, char *text, size_t size)
{
	const char *got = (const char *)sqlite3_column_text(stmt, column);
	size_t len = sqlite3_column_bytes(stmt, column);

	if (!got || len >= size || strlen(got) != len)
		return false;
	memcpy(text, got, len + 1);
	return true;
}

void sdb_disconnect(struct store_db *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		sqlite3_finalize(s->stmts[i]);
		s->stmts[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
	s->failed = false;
}

int sdb_leave(struct store_db *s, int ret)
{
	if (s->failed)
		sdb_disconnect(s);
	return ret;
}

static int open_db(struct store_db *s, const char *path, struct pb_error *err)
{
	if (sqlite3_open_v2(path, &s->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    NULL) == SQLITE_OK)
		return 0;
	return s->db ? sql_fail(s, err) :
		       pb_fail(err, -ENOMEM, "no memory for SQLite");
}

/* Is it ours, and whole?  Within a transaction that has the lock. */
static int check_file(struct store_db *s, struct pb_error *err)
{
	sqlite3_stmt *stmt;
	int ret, version;
	size_t i;

	ret = check(s, "PRAGMA application_id", NULL, TEXT_OF(APPLICATION_ID),
		    "is not the database of a view server", err);
	if (ret)
		return ret;
	if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &stmt,
			       NULL) != SQLITE_OK)
		return sql_fail(s, err);
	ret = sdb_step(s, stmt, err);
	version = ret == 1 ? sqlite3_column_int(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	if (ret < 0)
		return ret;
	if (version > USER_VERSION)
		return pb_fail(err, -EPROTONOSUPPORT,
			       "%s is of version %d, later than %d", s->path,
			       version, USER_VERSION);
	if (version != USER_VERSION)
		return sdb_unclean(s, "its version", err);
	ret = check(s, "PRAGMA integrity_check(1)", NULL, "ok", "is damaged",
		    err);
	if (!ret)
		ret = check(s, "PRAGMA foreign_key_check", NULL, "",
			    "lacks a view or has too much", err);
	if (!ret)
		ret = check(s, "SELECT count(*) FROM sqlite_schema", NULL, "4",
			    "has other tables than it should", err);
	for (i = 0; i < ARRAY_SIZE(schema) && !ret; i++)
		ret = check(s, "SELECT 1 FROM sqlite_schema WHERE sql = ?1",
			    schema[i], "1", "has other tables than it should",
			    err);
	return ret;
}

static int prepare(struct store_db *s, struct pb_error *err)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (sqlite3_prepare_v3(s->db, s->texts[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &s->stmts[i],
				       NULL) != SQLITE_OK)
			return sql_fail(s, err);
	return 0;
}

int sdb_connect(struct store_db *s, struct pb_error *err)
{
	int ret;

	if (s->db)
		return 0;
	ret = open_db(s, s->path, err);
	/* SQLite opens one for reading then, and would not lock it. */
	if (!ret && sqlite3_db_readonly(s->db, "main"))
		ret = pb_fail(err, access(s->path, W_OK) ? -errno : -EROFS,
			      "%s cannot be written: look at its owner, mode and file system",
			      s->path);
	if (!ret)
		ret = run(s, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE",
			  err);
	if (!ret)
		ret = check_file(s, err);
	if (!ret)
		ret = run(s, "COMMIT; PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON",
			  err);
	if (!ret)
		ret = check(s, "PRAGMA journal_mode = DELETE", NULL, "delete",
			    "cannot be given a rollback journal", err);
	if (!ret)
		ret = prepare(s, err);
	if (ret)
		sdb_disconnect(s);
	return ret;
}

static int sync_parent(const char *path, struct pb_error *err)
{
	char *copy = strdup(path);
	int fd, ret = 0;

	if (!copy)
		return pb_fail(err, -ENOMEM, "no memory");
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		ret = pb_fail(err, -errno, "cannot sync the directory of %s: %s",
			      path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(copy);
	return ret;
}

/* A complete database without a volume in it. */
static int fill_new(struct store_db *s, const char *path,
		    struct pb_error *err)
{
	int ret = open_db(s, path, err);
	size_t i;

	if (!ret)
		ret = run(s, "PRAGMA synchronous = EXTRA; BEGIN; PRAGMA application_id = "
			TEXT_OF(APPLICATION_ID) "; PRAGMA user_version = "
			TEXT_OF(USER_VERSION), err);
	for (i = 0; i < ARRAY_SIZE(schema) && !ret; i++)
		ret = run(s, schema[i], err);
	if (!ret)
		ret = run(s, "COMMIT", err);
	sdb_disconnect(s);
	return ret;
}

/*
 * The journal of a file that is gone would be played into the new one.  It is
 * not removed here: it could be that of a server that has just been faster.
 */
static int check_journal(const char *path, struct pb_error *err)
{
	size_t size = strlen(path) + sizeof("-journal");
	char *journal = malloc(size);
	int ret = 0;

	if (!journal)
		return pb_fail(err, -ENOMEM, "no memory");
	snprintf(journal, size, "%s-journal", path);
	if (!access(journal, F_OK))
		ret = pb_fail(err, -EUCLEAN,
			      "there is no %s, but its journal: put the former back, or remove the latter",
			      path);
	free(journal);
	return ret;
}

static int create(struct store_db *s, struct pb_error *err)
{
	size_t size = strlen(s->path) + sizeof(".XXXXXX");
	char *path = malloc(size);
	int fd, ret;

	if (!path)
		return pb_fail(err, -ENOMEM, "no memory");
	snprintf(path, size, "%s.XXXXXX", s->path);
	/* Of mode 0600, and so are SQLite's journals then. */
	fd = mkstemp(path);
	if (fd < 0) {
		ret = pb_fail(err, -errno, "cannot create %s: %s%s", s->path,
			      strerror(errno), errno == ENOENT ?
			      ": make its directory first" : "");
		free(path);
		return ret;
	}
	close(fd);
	ret = check_journal(s->path, err);
	if (!ret)
		ret = fill_new(s, path, err);
	/* If somebody was faster, that one is as good. */
	if (!ret && link(path, s->path) && errno != EEXIST)
		ret = pb_fail(err, -errno, "cannot create %s: %s", s->path,
			      strerror(errno));
	unlink(path);
	free(path);
	return ret ? ret : sync_parent(s->path, err);
}

int sdb_open(struct store_db *s, struct pb_error *err)
{
	struct stat st;
	int ret = 0;

	/*
	 * Not opened but by SQLite: to close another descriptor of a file ends
	 * all locks that the process has on it.
	 */
	if (!stat(s->path, &st)) {
		if (!S_ISREG(st.st_mode))
			ret = pb_fail(err, -EUCLEAN,
				      "%s is not a file: give \"store\" the name of one",
				      s->path);
	} else if (errno == ENOENT) {
		ret = create(s, err);
	} else {
		ret = pb_fail(err, -errno, "cannot open %s: %s", s->path,
			      strerror(errno));
	}
	return ret ? ret : sdb_connect(s, err);
}
