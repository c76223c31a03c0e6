// SPDX-License-Identifier: GPL-2.0
/*
 * The store of a single view server: a SQLite database.
 *
 * Each row has a checksum, with the rows that belong to it: SQLite notices
 * damage to its own structures, but not to what is in them.
 *
 * A u64 is stored bit for bit as the signed integer that SQLite has:
 * incarnations use all 64 bits, and may look negative to a person.  They are
 * not compared in SQL; the numbers of views are, and end at 2^62.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store-db.h"
#include "store.h"

/* Statements, prepared once.  ?1 is the volume. */
enum {
	GET_STATE,
	GET_EVICTED,
	GET_LAST,
	GET_VIEWS,
	GET_MEMBERS,
	ADD_VIEW,
	ADD_MEMBER,
	SET_SUM,
	SET_INCARNATION,
	SET_STATE,
	DROP_EVICTED,
	ADD_EVICTED,
	BEGIN,
	COMMIT,
	ROLLBACK,
};

static const char * const statements[] = {
	[GET_STATE]	  = "SELECT number, acked, handover, nr_evicted, crc FROM states WHERE volume = ?1",
	[GET_EVICTED]	  = "SELECT node FROM evicted WHERE volume = ?1 ORDER BY place",
	[GET_LAST]	  = "SELECT max(number) FROM views WHERE volume = ?1",
	[GET_VIEWS]	  = "SELECT number, time_ns, why, operator, nr, crc FROM views WHERE volume = ?1 AND number >= ?2 ORDER BY number LIMIT ?3",
	[GET_MEMBERS]	  = "SELECT node, synced, replica, incarnation FROM members WHERE volume = ?1 AND number = ?2 ORDER BY place",
	[ADD_VIEW]	  = "INSERT INTO views VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[ADD_MEMBER]	  = "INSERT INTO members VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SET_SUM]	  = "UPDATE views SET crc = ?3 WHERE volume = ?1 AND number = ?2",
	[SET_INCARNATION] = "UPDATE members SET incarnation = ?4 WHERE volume = ?1 AND number = ?2 AND place = ?3",
	[SET_STATE]	  = "INSERT INTO states VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET number = ?2, acked = ?3, handover = ?4, nr_evicted = ?5, crc = ?6",
	[DROP_EVICTED]	  = "DELETE FROM evicted WHERE volume = ?1",
	[ADD_EVICTED]	  = "INSERT INTO evicted VALUES (?1, ?2, ?3)",
	[BEGIN]		  = "BEGIN IMMEDIATE",
	[COMMIT]	  = "COMMIT",
	[ROLLBACK]	  = "ROLLBACK",
};

static_assert(ARRAY_SIZE(statements) <= SDB_MAX_STATEMENTS);

struct sqlite_store {
	struct pv_store	store;
	struct store_db	db;
};

static struct store_db *to_db(struct pv_store *store)
{
	return &((struct sqlite_store *)store)->db;
}

/*
 * What makes sense
 */

static void add_number(u32 *crc, u64 number)
{
	__le64 le = cpu_to_le64(number);

	*crc = crc32c(*crc, &le, sizeof(le));
}

/* With the NUL: "ab", "c" is not "a", "bc". */
static void add_text(u32 *crc, const char *text)
{
	*crc = crc32c(*crc, text, strlen(text) + 1);
}

static u32 view_sum(const u8 *volume, const struct pv_stored_view *view)
{
	const struct pv_stored_member *member;
	u32 crc = ~0U, i;

	crc = crc32c(crc, volume, PB_UUID_LEN);
	add_number(&crc, view->number);
	add_number(&crc, view->time_ns);
	add_number(&crc, view->why);
	add_text(&crc, view->by);
	add_number(&crc, view->nr);
	for (i = 0; i < view->nr; i++) {
		member = &view->members[i];
		add_text(&crc, member->node);
		add_number(&crc, member->synced);
		crc = crc32c(crc, member->replica, PB_UUID_LEN);
		add_number(&crc, member->incarnation);
	}
	return ~crc;
}

static u32 state_sum(const u8 *volume, const struct pv_stored *stored)
{
	u32 crc = ~0U, i;

	crc = crc32c(crc, volume, PB_UUID_LEN);
	add_number(&crc, stored->view.number);
	add_number(&crc, stored->acked);
	add_number(&crc, stored->handover);
	add_number(&crc, stored->nr_evicted);
	for (i = 0; i < stored->nr_evicted; i++)
		add_text(&crc, stored->evicted[i]);
	return ~crc;
}

static bool name_ok(const char *name)
{
	struct pb_error err;

	return strnlen(name, PB_NAME_LEN) < PB_NAME_LEN &&
	       !pb_check_name(name, &err);
}

static bool by_ok(const char *by)
{
	size_t i;

	for (i = 0; i < PV_BY_LEN && by[i]; i++)
		if (by[i] < ' ' || by[i] > '~')
			return false;
	return i < PV_BY_LEN;
}

/* Why a view makes no sense, or NULL. */
static const char *view_fault(const struct pv_stored_view *view)
{
	const struct pv_stored_member *members = view->members;
	u32 i, k;

	if (!view->number || view->number > PV_MAX_VIEW)
		return "a view's number";
	if (view->why >= PV_WHY_NR)
		return "why a view was made";
	if (!by_ok(view->by))
		return "who wanted a view";
	if (view->nr < 1 || view->nr > PV_MAX_MEMBERS)
		return "how many members a view has";
	for (i = 0; i < view->nr; i++) {
		if (!name_ok(members[i].node))
			return "the name of a member";
		for (k = 0; k < i; k++)
			if (!strcmp(members[i].node, members[k].node))
				return "a node is a member twice";
	}
	return NULL;
}

static const char *state_fault(const struct pv_stored *stored)
{
	u32 i, k;

	if (!stored->view.number && (stored->acked || stored->handover))
		return "a state without a view";
	if (stored->nr_evicted > PV_MAX_NODES)
		return "how many nodes are evicted";
	for (i = 0; i < stored->nr_evicted; i++) {
		if (!name_ok(stored->evicted[i]))
			return "the name of an evicted node";
		for (k = 0; k < i; k++)
			if (!strcmp(stored->evicted[i], stored->evicted[k]))
				return "a node is evicted twice";
	}
	return stored->view.number ? view_fault(&stored->view) : NULL;
}

static int get_member(struct store_db *s, sqlite3_stmt *stmt,
		      struct pv_stored_member *member, struct pb_error *err)
{
	if (sqlite3_column_bytes(stmt, 2) != PB_UUID_LEN)
		return sdb_unclean(s, "the replica of a member", err);
	memcpy(member->replica, sqlite3_column_blob(stmt, 2), PB_UUID_LEN);
	if (!sdb_text(stmt, 0, member->node, sizeof(member->node)))
		return sdb_unclean(s, "the name of a member", err);
	member->synced = sdb_number(stmt, 1);
	member->incarnation = sdb_number(stmt, 3);
	return 0;
}

static int get_members(struct store_db *s, const u8 *volume,
		       struct pv_stored_view *view, struct pb_error *err)
{
	sqlite3_stmt *stmt = sdb_use(s, GET_MEMBERS, volume);
	u32 nr = 0;
	int ret;

	sdb_bind(stmt, 2, view->number);
	while ((ret = sdb_step(s, stmt, err)) == 1) {
		if (nr == view->nr) {
			ret = sdb_unclean(s, "too many members", err);
			break;
		}
		ret = get_member(s, stmt, &view->members[nr++], err);
		if (ret)
			break;
	}
	sqlite3_reset(stmt);
	if (!ret && nr != view->nr)
		ret = sdb_unclean(s, "too few members", err);
	return ret;
}

/* The view that @stmt is at, checked. */
static int get_view(struct store_db *s, const u8 *volume,
		    sqlite3_stmt *stmt, struct pv_stored_view *view,
		    struct pb_error *err)
{
	u64 why = sdb_number(stmt, 2), nr = sdb_number(stmt, 4);
	const char *fault;
	int ret;

	memset(view, 0, sizeof(*view));
	view->number = sdb_number(stmt, 0);
	view->time_ns = sdb_number(stmt, 1);
	if (!sdb_text(stmt, 3, view->by, sizeof(view->by)))
		return sdb_unclean(s, "who wanted a view", err);
	if (why >= PV_WHY_NR)
		return sdb_unclean(s, "why a view was made", err);
	if (nr > PV_MAX_MEMBERS)
		return sdb_unclean(s, "how many members a view has", err);
	view->why = why;
	view->nr = nr;
	ret = get_members(s, volume, view, err);
	if (ret)
		return ret;
	fault = view_fault(view);
	if (fault)
		return sdb_unclean(s, fault, err);
	if (sdb_number(stmt, 5) != view_sum(volume, view))
		return sdb_unclean(s, "the checksum of a view", err);
	return 0;
}

/* Returns how many. */
static int get_views(struct store_db *s, const u8 *volume, u64 from,
		     struct pv_stored_view *views, int max,
		     struct pb_error *err)
{
	sqlite3_stmt *stmt = sdb_use(s, GET_VIEWS, volume);
	int nr = 0, ret;

	sdb_bind(stmt, 2, from);
	sdb_bind(stmt, 3, max);
	while ((ret = sdb_step(s, stmt, err)) == 1) {
		ret = get_view(s, volume, stmt, &views[nr++], err);
		if (ret)
			break;
	}
	sqlite3_reset(stmt);
	return ret ? ret : nr;
}

static int get_last(struct store_db *s, const u8 *volume, u64 *last,
		    struct pb_error *err)
{
	sqlite3_stmt *stmt = sdb_use(s, GET_LAST, volume);
	int ret = sdb_step(s, stmt, err);

	*last = ret == 1 ? sdb_number(stmt, 0) : 0;
	sqlite3_reset(stmt);
	return ret < 0 ? ret : 0;
}

static int get_evicted(struct store_db *s, const u8 *volume,
		       struct pv_stored *stored, struct pb_error *err)
{
	sqlite3_stmt *stmt = sdb_use(s, GET_EVICTED, volume);
	u32 nr = 0;
	int ret;

	while ((ret = sdb_step(s, stmt, err)) == 1) {
		if (nr == stored->nr_evicted ||
		    !sdb_text(stmt, 0, stored->evicted[nr++], PB_NAME_LEN)) {
			ret = sdb_unclean(s, "which nodes are evicted", err);
			break;
		}
	}
	sqlite3_reset(stmt);
	if (!ret && nr != stored->nr_evicted)
		ret = sdb_unclean(s, "which nodes are evicted", err);
	return ret;
}

/* What belongs to a volume's row in states: it says that @last is its view. */
static int get_rest(struct store_db *s, const u8 *volume, u64 last, u64 sum,
		    struct pv_stored *stored, struct pb_error *err)
{
	const char *fault;
	int ret;

	if (stored->view.number != last)
		return sdb_unclean(s, "its view is not the last of the history",
			       err);
	if (last) {
		ret = get_views(s, volume, last, &stored->view, 1, err);
		if (ret < 0)
			return ret;
	}
	ret = get_evicted(s, volume, stored, err);
	if (ret)
		return ret;
	fault = state_fault(stored);
	if (fault)
		return sdb_unclean(s, fault, err);
	if (sum != state_sum(volume, stored))
		return sdb_unclean(s, "the checksum of a state", err);
	return 0;
}

static int get_state(struct store_db *s, const u8 *volume,
		     struct pv_stored *stored, struct pb_error *err)
{
	sqlite3_stmt *stmt;
	u64 last, sum, nr;
	int ret;

	ret = get_last(s, volume, &last, err);
	if (ret)
		return ret;
	stmt = sdb_use(s, GET_STATE, volume);
	ret = sdb_step(s, stmt, err);
	stored->view.number = sdb_number(stmt, 0);
	stored->acked = sdb_number(stmt, 1);
	stored->handover = sdb_number(stmt, 2);
	nr = sdb_number(stmt, 3);
	sum = sdb_number(stmt, 4);
	sqlite3_reset(stmt);
	if (ret < 0)
		return ret;
	if (!ret)
		return last ? sdb_unclean(s, "a history without a state", err) : 0;
	if (nr > PV_MAX_NODES)
		return sdb_unclean(s, "how many nodes are evicted", err);
	stored->nr_evicted = nr;
	return get_rest(s, volume, last, sum, stored, err);
}

static int sqlite_load(struct pv_store *store, const u8 *volume,
		       struct pv_stored *stored, struct pb_error *err)
{
	struct store_db *s = to_db(store);
	int ret = sdb_connect(s, err);

	memset(stored, 0, sizeof(*stored));
	if (!ret)
		ret = get_state(s, volume, stored, err);
	if (ret)
		memset(stored, 0, sizeof(*stored));
	return sdb_leave(s, ret);
}

static int sqlite_history(struct pv_store *store, const u8 *volume, u64 from,
			  struct pv_stored_view *views, int max,
			  struct pb_error *err)
{
	struct store_db *s = to_db(store);
	int ret;

	if (from > PV_MAX_VIEW || max <= 0)
		return 0;
	ret = sdb_connect(s, err);
	if (!ret)
		ret = get_views(s, volume, from, views, max, err);
	return sdb_leave(s, ret);
}

static int add_view(struct store_db *s, const u8 *volume,
		    const struct pv_stored_view *view, struct pb_error *err)
{
	const struct pv_stored_member *member;
	sqlite3_stmt *stmt = sdb_use(s, ADD_VIEW, volume);
	int ret;
	u32 i;

	sdb_bind(stmt, 2, view->number);
	sdb_bind(stmt, 3, view->time_ns);
	sdb_bind(stmt, 4, view->why);
	sdb_bind_text(stmt, 5, view->by);
	sdb_bind(stmt, 6, view->nr);
	sdb_bind(stmt, 7, view_sum(volume, view));
	ret = sdb_finish(s, stmt, err);
	for (i = 0; i < view->nr && !ret; i++) {
		member = &view->members[i];
		stmt = sdb_use(s, ADD_MEMBER, volume);
		sdb_bind(stmt, 2, view->number);
		sdb_bind(stmt, 3, i);
		sdb_bind_text(stmt, 4, member->node);
		sdb_bind(stmt, 5, member->synced);
		sqlite3_bind_blob(stmt, 6, member->replica, PB_UUID_LEN,
				  SQLITE_STATIC);
		sdb_bind(stmt, 7, member->incarnation);
		ret = sdb_finish(s, stmt, err);
	}
	return ret;
}

/* Are they the same but for incarnations? */
static bool same_view(const struct pv_stored_view *a,
		      const struct pv_stored_view *b)
{
	u32 i;

	if (a->time_ns != b->time_ns || a->why != b->why ||
	    strcmp(a->by, b->by) || a->nr != b->nr)
		return false;
	for (i = 0; i < a->nr; i++)
		if (strcmp(a->members[i].node, b->members[i].node) ||
		    a->members[i].synced != b->members[i].synced ||
		    memcmp(a->members[i].replica, b->members[i].replica,
			   PB_UUID_LEN))
			return false;
	return true;
}

/* The last view of the history is to be @view. */
static int renew_view(struct store_db *s, const u8 *volume,
		      const struct pv_stored_view *view, struct pb_error *err)
{
	struct pv_stored_view known;
	sqlite3_stmt *stmt;
	int ret;
	u32 i;

	ret = get_views(s, volume, view->number, &known, 1, err);
	if (ret < 0)
		return ret;
	if (!same_view(&known, view))
		return pb_fail(err, -EEXIST,
			       "%s has another view %llu of this volume",
			       s->path, (unsigned long long)view->number);
	stmt = sdb_use(s, SET_SUM, volume);
	sdb_bind(stmt, 2, view->number);
	sdb_bind(stmt, 3, view_sum(volume, view));
	ret = sdb_finish(s, stmt, err);
	for (i = 0; i < view->nr && !ret; i++) {
		stmt = sdb_use(s, SET_INCARNATION, volume);
		sdb_bind(stmt, 2, view->number);
		sdb_bind(stmt, 3, i);
		sdb_bind(stmt, 4, view->members[i].incarnation);
		ret = sdb_finish(s, stmt, err);
	}
	return ret;
}

static int put_state(struct store_db *s, const u8 *volume,
		     const struct pv_stored *stored, struct pb_error *err)
{
	sqlite3_stmt *stmt = sdb_use(s, SET_STATE, volume);
	int ret;
	u32 i;

	if (stored->view.number)
		sdb_bind(stmt, 2, stored->view.number);
	else
		sqlite3_bind_null(stmt, 2);
	sdb_bind(stmt, 3, stored->acked);
	sdb_bind(stmt, 4, stored->handover);
	sdb_bind(stmt, 5, stored->nr_evicted);
	sdb_bind(stmt, 6, state_sum(volume, stored));
	ret = sdb_finish(s, stmt, err);
	if (!ret)
		ret = sdb_finish(s, sdb_use(s, DROP_EVICTED, volume), err);
	for (i = 0; i < stored->nr_evicted && !ret; i++) {
		stmt = sdb_use(s, ADD_EVICTED, volume);
		sdb_bind(stmt, 2, i);
		sdb_bind_text(stmt, 3, stored->evicted[i]);
		ret = sdb_finish(s, stmt, err);
	}
	return ret;
}

/* Within a transaction. */
static int put(struct store_db *s, const u8 *volume,
	       const struct pv_stored *stored, struct pb_error *err)
{
	const struct pv_stored_view *view = &stored->view;
	u64 last;
	int ret;

	ret = get_last(s, volume, &last, err);
	if (ret)
		return ret;
	if (last > view->number)
		return pb_fail(err, -EEXIST,
			       "%s has a later view of this volume, %llu",
			       s->path, (unsigned long long)last);
	if (view->number && view->number == last)
		ret = renew_view(s, volume, view, err);
	else if (view->number)
		ret = add_view(s, volume, view, err);
	return ret ? ret : put_state(s, volume, stored, err);
}

static int put_all(struct store_db *s, const struct pv_save *saves, u32 nr,
		   struct pb_error *err)
{
	int ret = sdb_finish(s, sdb_use(s, BEGIN, NULL), err);
	u32 i;

	if (ret)
		return ret;
	for (i = 0; i < nr && !ret; i++)
		ret = put(s, saves[i].volume, saves[i].stored, err);
	if (!ret)
		return sdb_finish(s, sdb_use(s, COMMIT, NULL), err);
	if (!s->failed && sqlite3_step(s->stmts[ROLLBACK]) != SQLITE_DONE)
		s->failed = true;
	else
		sqlite3_reset(s->stmts[ROLLBACK]);
	return ret;
}

static int sqlite_save(struct pv_store *store, const struct pv_save *saves,
		       u32 nr, struct pb_error *err)
{
	struct store_db *s = to_db(store);
	const char *fault;
	int ret;
	u32 i;

	for (i = 0; i < nr; i++) {
		fault = state_fault(saves[i].stored);
		if (fault)
			return pb_fail(err, -EINVAL, "what is to be stored makes no sense: %s",
				       fault);
	}
	ret = sdb_connect(s, err);
	return sdb_leave(s, ret ?: put_all(s, saves, nr, err));
}

static void sqlite_close(struct pv_store *store)
{
	struct store_db *s = to_db(store);

	sdb_disconnect(s);
	free(s->path);
	free(store);
}

static const struct pv_store_ops sqlite_ops = {
	.load		= sqlite_load,
	.save		= sqlite_save,
	.history	= sqlite_history,
	.close		= sqlite_close,
};

int pv_sqlite_open(const char *path, struct pv_store **store,
		   struct pb_error *err)
{
	struct sqlite_store *made = calloc(1, sizeof(*made));
	int ret;

	if (made)
		made->db.path = strdup(path);
	if (!made || !made->db.path) {
		free(made);
		return pb_fail(err, -ENOMEM, "no memory");
	}
	made->store.ops = &sqlite_ops;
	made->db.texts = statements;
	made->db.nr = ARRAY_SIZE(statements);
	ret = sdb_open(&made->db, err);
	if (ret)
		sqlite_close(&made->store);
	else
		*store = &made->store;
	return ret;
}
