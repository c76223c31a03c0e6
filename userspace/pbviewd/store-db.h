/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The database file of a view server, for store-sqlite.c only: what it must be,
 * how it is made, and statements in it.
 */
#ifndef PV_STORE_DB_H
#define PV_STORE_DB_H

#include <sqlite3.h>

#include "libpb.h"

#define SDB_MAX_STATEMENTS	16

/**
 * struct store_db - a database
 * @path: of its file
 * @texts: of its statements
 * @nr: how many
 * @db: NULL after SQLite has failed: its state in memory is not worth much
 *	then, so it is closed, and sdb_connect() opens the file anew
 * @stmts: prepared once
 * @failed: SQLite has failed
 */
struct store_db {
	char			*path;
	const char * const	*texts;
	unsigned int		nr;
	struct sqlite3		*db;
	struct sqlite3_stmt	*stmts[SDB_MAX_STATEMENTS];
	bool			failed;
};

/**
 * sdb_open() - make the file if it is not there, and connect
 * @s: all zero but for the first three
 * @err: why not
 *
 * Return: see pv_sqlite_open().
 */
int sdb_open(struct store_db *s, struct pb_error *err);

/**
 * sdb_connect() - open the file, take its lock, and see whether it is ours
 * @s: the database; nothing happens if it is open already
 * @err: why not
 *
 * Return: see pv_sqlite_open().
 */
int sdb_connect(struct store_db *s, struct pb_error *err);
void sdb_disconnect(struct store_db *s);

/* The end of each operation, which would return @ret. */
int sdb_leave(struct store_db *s, int ret);

/* What is stored makes no sense: -EUCLEAN. */
int sdb_unclean(struct store_db *s, const char *what, struct pb_error *err);

/*
 * Statements.  To bind what stays where it is takes no memory, and so cannot
 * fail.  A u64 is bound bit for bit.
 */

/**
 * sdb_use() - begin with a statement
 * @s: the database
 * @which: its index
 * @volume: UUID, its ?1, or NULL
 *
 * Return: the statement, at its beginning.
 */
sqlite3_stmt *sdb_use(struct store_db *s, unsigned int which, const u8 *volume);
void sdb_bind(sqlite3_stmt *stmt, int index, u64 value);
void sdb_bind_text(sqlite3_stmt *stmt, int index, const char *text);

/**
 * sdb_step() - go to the next row
 * @s: the database
 * @stmt: the statement, for sqlite3_reset() at the end
 * @err: why not
 *
 * Return: 1 with a row, 0 at the end, or -errno.
 */
int sdb_step(struct store_db *s, sqlite3_stmt *stmt, struct pb_error *err);

/* All of a statement without rows: 0 or -errno. */
int sdb_finish(struct store_db *s, sqlite3_stmt *stmt, struct pb_error *err);

u64 sdb_number(sqlite3_stmt *stmt, int column);

/* False if it does not fit with its NUL, or has one within. */
bool sdb_text(sqlite3_stmt *stmt, int column, char *text, size_t size);

#endif /* PV_STORE_DB_H */
