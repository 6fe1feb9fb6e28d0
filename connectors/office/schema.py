"""The office's own tables, in a SQLite file of its own. Times are whole seconds since 1970 (UTC); lists are JSON text.

`made` is 0 for rows of the seed and 1 for everything since. `key` is the caller's idempotency key, kept with the object it
made. `seen_from` is the moment from which searches find a row (later than its making while a lag fault is on). `due_at` is the moment from
which a scheduled message is there at all.
"""

from __future__ import annotations

VERSION = 2

TABLES = (
    "meta",
    "people",
    "rooms",
    "mails",
    "attachments",
    "mailbox",
    "auto_replies",
    "events",
    "invites",
    "channels",
    "members",
    "messages",
    "files",
    "reactions",
    "effects",
    "changes",
    "faults",
)

DDL = """
create table if not exists meta (name text primary key, value text not null) without rowid;

create table if not exists people (
    address text primary key, person_id text not null unique, name text not null, aliases text not null, handle text not null,
    zone text not null, working_hours text not null, role text not null, team text not null, manager text,
    inside integer not null, preferences text not null, made integer not null, search text not null) without rowid;

create table if not exists rooms (
    address text primary key, room_id text not null, name text not null, capacity integer not null) without rowid;

create table if not exists mails (
    seq integer primary key, message_id text not null unique, thread_id text not null, author text not null,
    author_name text not null, to_list text not null, cc_list text not null, bcc_list text not null, subject text not null,
    body text not null, sent_at integer not null, in_reply_to text, kind text not null, draft integer not null,
    key text, made integer not null, seen_from integer not null, attached integer not null, search text not null);
create index if not exists mails_thread on mails (thread_id);
create index if not exists mails_made on mails (made) where made = 1;

create table if not exists attachments (
    attachment_id text primary key, message_id text not null, name text not null, mime text not null,
    size_bytes integer not null, text text) without rowid;
create index if not exists attachments_message on attachments (message_id);

-- one row per copy of a mail in somebody's mailbox; a second copy (a duplicate delivery) has its own message id
create table if not exists mailbox (
    address text not null, copy_id text not null, seq integer not null, thread_id text not null, sent_at integer not null,
    folder text not null, labels text not null, unread integer not null, primary key (address, copy_id)) without rowid;
create index if not exists mailbox_time on mailbox (address, sent_at, seq);
create index if not exists mailbox_thread on mailbox (address, thread_id, sent_at, seq);

create table if not exists auto_replies (
    address text primary key, start_at integer not null, end_at integer not null, subject text not null, body text not null,
    audience text not null) without rowid;

-- a series is a row with a recurrence; an instance that differs from its series is a row with series_id and original_at
create table if not exists events (
    event_id text primary key, series_id text, original_at integer, organizer text not null, title text not null,
    start_at integer not null, end_at integer not null, zone text not null, all_day integer not null, location text not null,
    description text not null, room text, status text not null, visibility text not null, recurrence text, busy integer not null,
    version integer not null, key text, made integer not null, seen_from integer not null, conference_url text) without rowid;
create index if not exists events_series on events (series_id) where series_id is not null;
create index if not exists events_made on events (made) where made = 1;

-- whose calendars hold an event: role organizer | attendee | room
create table if not exists invites (
    address text not null, event_id text not null, role text not null, response text not null, optional integer not null,
    primary key (address, event_id)) without rowid;
create index if not exists invites_event on invites (event_id);

create table if not exists channels (
    channel_id text primary key, name text not null unique, purpose text not null, private integer not null,
    direct integer not null, key text, made integer not null) without rowid;
create table if not exists members (
    channel_id text not null, address text not null, primary key (channel_id, address)) without rowid;
create index if not exists members_address on members (address);

create table if not exists messages (
    seq integer primary key, message_id text not null unique, channel_id text not null, author text not null,
    text text not null, sent_at integer not null, thread_id text, edited integer not null, deleted integer not null,
    key text, made integer not null, seen_from integer not null, search text not null, due_at integer not null default 0);
create index if not exists messages_channel on messages (channel_id, sent_at, seq);
create index if not exists messages_thread on messages (thread_id) where thread_id is not null;
create index if not exists messages_made on messages (made) where made = 1;
create index if not exists messages_due on messages (due_at) where due_at > 0;
create table if not exists files (
    seq integer primary key, file_id text not null unique, message_id text not null, name text not null, mime text not null,
    size_bytes integer not null, text text);
create index if not exists files_message on files (message_id);
create table if not exists reactions (
    message_id text not null, name text not null, address text not null, primary key (message_id, name, address)) without rowid;

-- what the provider has done for each account, by key; committed together with the object
create table if not exists effects (
    seq integer primary key, account text not null, tool text not null, key text not null, args_digest text not null,
    object_id text, result text not null, at integer not null);
create index if not exists effects_key on effects (key);

create table if not exists changes (
    kind text not null, object_id text not null, what text not null, at integer not null,
    primary key (kind, object_id)) without rowid;

create table if not exists faults (
    fault_id integer primary key, tool text not null, kind text not null, times integer not null, after integer not null,
    seconds real not null);
"""

# From each version to the next one, forwards only: what a file of that version lacks.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "alter table events add column conference_url text",
        "alter table messages add column due_at integer not null default 0",
        "create index messages_due on messages (due_at) where due_at > 0",
        "create table files (seq integer primary key, file_id text not null unique, message_id text not null,"
        " name text not null, mime text not null, size_bytes integer not null, text text)",
        "create index files_message on files (message_id)",
    ),
}
