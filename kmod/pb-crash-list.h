/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The crash points: PB_CRASH_POINT(NAME, who, drive, often, when)
 *
 * @who: who can die there: p is the primary, b the backup
 * @drive: what the test does until it is reached: "write" writes and flushes to
 *	two that are synced; "log" does so to more extents than can be hot;
 *	"full" does that with few flushes; "view" takes the backup out and in
 *	again; "join" brings the backup up to date; "crashed" does so after it
 *	crashed, so that it has marks; "grow" makes the volume larger
 * @often: how many times that passes it, at least
 * @when: the moment
 *
 * To add one: a line here, and a call of pb_crash_point() at that moment.
 * Included several times, with PB_CRASH_POINT() defined anew; no guard.
 */

/* A write */
PB_CRASH_POINT(WRITE_STARTED, "pb", "write", 60,
	       "a write has its place in the stream, and no leg has begun")
PB_CRASH_POINT(REQUEST_SENT, "p", "write", 60,
	       "the socket has taken a request as a whole")
PB_CRASH_POINT(WRITE_SENT, "p", "write", 30,
	       "a write was given to the socket, and not to the disk")
PB_CRASH_POINT(WRITE_LOGGED, "pb", "log", 10,
	       "the record of its extents is durable; its local leg begins now")
PB_CRASH_POINT(WRITE_LOCAL, "p", "write", 10,
	       "the local leg of a write is done, and it is not acked")
PB_CRASH_POINT(WRITE_ACKED, "p", "write", 10,
	       "a write is acked, and its local leg is not done")
PB_CRASH_POINT(WRITE_DONE, "pb", "write", 60,
	       "all legs of a write are done, and nobody was told")
PB_CRASH_POINT(WRITE_TOLD, "p", "write", 10,
	       "the application was told that a write is done")
PB_CRASH_POINT(APPLY_RECEIVED, "b", "write", 60,
	       "a request has arrived as a whole, and is not looked at yet")
PB_CRASH_POINT(ACK_SENT, "b", "write", 60,
	       "the socket has taken an ack")

/* A flush */
PB_CRASH_POINT(FLUSH_LOCAL, "p", "write", 3,
	       "the local disk is flushed, and the backup has not said so")
PB_CRASH_POINT(FLUSH_ACKED, "p", "write", 3,
	       "the backup has flushed, and the local disk has not")
PB_CRASH_POINT(FLUSH_DONE, "pb", "write", 5,
	       "all legs of a flush are done; the log does not know it")
PB_CRASH_POINT(FLUSH_CLEAN, "pb", "write", 5,
	       "a flush has made extents clean, and nobody was told")

/* The activity log */
PB_CRASH_POINT(LOG_EVICT, "pb", "log", 4,
	       "extents are to go cold, and their dirty maps are not stored")
PB_CRASH_POINT(LOG_RECORD, "pb", "log", 8,
	       "a record is made, its dirty maps are stored, it is not")
PB_CRASH_POINT(LOG_DURABLE, "pb", "log", 8,
	       "a record is durable; no write of it has begun")
PB_CRASH_POINT(LOG_WRAP, "pb", "log", 1,
	       "a record is durable in the first block of the ring")
PB_CRASH_POINT(LOG_FLUSHED, "pb", "full", 1,
	       "a flush that the log asked for itself is done")

/* The superblock */
PB_CRASH_POINT(SUPER_BEGIN, "pb", "view", 3,
	       "a new superblock is made, and none of it is on the disk")
PB_CRASH_POINT(SUPER_HALF, "pb", "view", 3,
	       "one of the two copies of a superblock is written")
PB_CRASH_POINT(SUPER_STORED, "pb", "view", 3,
	       "both copies of a superblock are written")

/* A view change */
PB_CRASH_POINT(VIEW_CLOSED, "pb", "view", 3,
	       "bios are held and connections closed; the view is not stored")
PB_CRASH_POINT(MAP_PREPARED, "p", "view", 1,
	       "a new dirty map is made; the superblock does not name it")
PB_CRASH_POINT(VIEW_STORED, "pb", "view", 3,
	       "a view is durable, and nothing in core follows it yet")
PB_CRASH_POINT(MAP_COMMITTED, "pb", "view", 3,
	       "a view is durable and dirty maps are in place; no role has changed")
PB_CRASH_POINT(VIEW_ENTERED, "pb", "view", 3,
	       "a view is entered, and nobody was told")

/* A state transfer, at its source */
PB_CRASH_POINT(SYNC_DECIDED, "p", "join", 1,
	       "it is decided what has to be copied")
PB_CRASH_POINT(MAP_WRITE, "p", "join", 2,
	       "a block of a dirty map is made, and is not on the disk")
PB_CRASH_POINT(MAP_WRITTEN, "p", "join", 2,
	       "a block of a dirty map is on the disk")
PB_CRASH_POINT(MARKS_STORED, "p", "join", 1,
	       "the marks are durable in the map; the superblock knows nothing")
PB_CRASH_POINT(SYNC_STARTED, "p", "join", 1,
	       "the superblock says that it began; the successor was not told")
PB_CRASH_POINT(SYNC_GO, "p", "join", 1,
	       "the successor waits for the first chunk")
PB_CRASH_POINT(CHUNK_READ, "p", "join", 10,
	       "a chunk is read, and not sent")
PB_CRASH_POINT(CHUNK_ACKED, "p", "join", 10,
	       "a chunk is acked; the map says that it is dirty")
PB_CRASH_POINT(CHECKPOINT_FLUSHED, "p", "join", 1,
	       "what was copied is flushed; the map says that it is dirty")
PB_CRASH_POINT(CHECKPOINT_STORED, "p", "join", 1,
	       "after a checkpoint the map on the disk has followed")
PB_CRASH_POINT(SYNC_ARMING, "p", "join", 1,
	       "all is copied and writes wait for acks; the disk does not know it")
PB_CRASH_POINT(SYNC_ARMED, "p", "join", 1,
	       "it is durable that writes wait for acks; the successor was not told")
PB_CRASH_POINT(SYNC_DONE, "p", "join", 1,
	       "the successor has said that it is synced; nobody else was told")

/* A state transfer, at its target */
PB_CRASH_POINT(MARKS_ASKED, "b", "crashed", 1,
	       "the source asks what may differ")
PB_CRASH_POINT(SYNCING_BEGIN, "b", "join", 1,
	       "its marks are durable at the source; its disk does not say syncing")
PB_CRASH_POINT(SYNCING_STORED, "b", "join", 1,
	       "its disk says syncing, with a new log; nothing is copied")
PB_CRASH_POINT(CHUNK_APPLIED, "b", "join", 10,
	       "a chunk is on the disk, and not acked")
PB_CRASH_POINT(SYNCED_FLUSHED, "b", "join", 1,
	       "all is copied and flushed; its disk says syncing")
PB_CRASH_POINT(SYNCED_STORED, "b", "join", 1,
	       "its disk says synced, and nobody was told")

/* The end of it: both are synced members of the next view, and connect */
PB_CRASH_POINT(MET, "pb", "join", 1,
	       "it is durable that the two are in the view; no link is up")

/* A volume grows */
PB_CRASH_POINT(GROW_CAPACITY, "pb", "grow", 1,
	       "it is durable that there is room; nobody was told")
PB_CRASH_POINT(GROW_ZEROED, "p", "grow", 1,
	       "what is new is zeroed on both, and not flushed")
PB_CRASH_POINT(GROW_FLUSHED, "p", "grow", 1,
	       "what is new is zeroed and flushed; the successor was not told")
PB_CRASH_POINT(GROW_MAPS, "p", "grow", 1,
	       "the dirty maps have the new size, the superblock has not")
PB_CRASH_POINT(GROW_STORING, "pb", "grow", 1,
	       "the superblock is about to get the new size")
PB_CRASH_POINT(GROW_STORED, "pb", "grow", 1,
	       "the superblock has the new size; nobody was told")
