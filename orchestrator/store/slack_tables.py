"""The tables of the Slack bot: what came in, who is who, which thread is about what, and what the bot has posted; and thumbs, of any door.

One schema with `tables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from orchestrator.store.tables import Json, UtcDateTime, metadata

T = sa.Text

slack_inbox = sa.Table(
    "slack_inbox",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("delivery_id", T, primary_key=True),  # Slack's own: event_id, trigger_id, or a view and its hash
    sa.Column("number", sa.Integer, nullable=False),  # in the order of arrival, as far as that is known
    sa.Column("kind", T, nullable=False),  # command | message | action | view | home
    sa.Column("sender", T, nullable=False),  # team/user
    sa.Column("body", Json, nullable=False),  # emptied once it is done
    sa.Column("state", T, nullable=False),  # taken | parked | done | failed
    sa.Column("about", T),  # parked: what it waits for
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_until", UtcDateTime),  # real clock; until then another process leaves it alone
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("real_at", UtcDateTime, nullable=False),  # real clock
)
_open = slack_inbox.c.state.in_(("taken", "parked"))
slack_people = sa.Table(
    "slack_people",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("sender", T, primary_key=True),  # team/user
    sa.Column("person", T, nullable=False),  # address in the directory
    sa.Column("channel", T),  # of the direct messages between the bot and them
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("confirmed_at", UtcDateTime),  # by themselves, with a button
)
slack_threads = sa.Table(
    "slack_threads",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("place", T, primary_key=True),  # team/channel/ts of the thread's first message/user who asked
    sa.Column("item_id", T, nullable=False),  # the latest that was asked there
    sa.Column("bound_at", UtcDateTime, nullable=False),
)
slack_posts = sa.Table(
    "slack_posts",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("post_id", T, primary_key=True),  # goes along in the message's metadata, so that it is found again
    sa.Column("kind", T, nullable=False),  # work | card | shared | ask | news
    sa.Column("item_id", T, nullable=False),  # root item; "" for none
    sa.Column("approval_id", T),
    sa.Column("person", T, nullable=False),  # who it is for: what it shows is what they may see
    sa.Column("channel", T, nullable=False),
    sa.Column("thread_ts", T),
    sa.Column("is_private", sa.Boolean, nullable=False),  # nobody else reads that channel
    sa.Column("ts", T),  # Slack's name of the message; null: not known to be there
    sa.Column("attempted_at", UtcDateTime),  # real clock; committed before the wire
    sa.Column("shown", T),  # digest of what it shows
    sa.Column("settled", sa.Boolean, nullable=False),  # nothing about it changes any more
    sa.Column("lease_until", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("tenant_id", T, primary_key=True),
    sa.Column("item_id", T, primary_key=True),
    sa.Column("person", T, primary_key=True),
    sa.Column("is_good", sa.Boolean, nullable=False),
    sa.Column("door", T, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
INDEXES = (
    sa.Index(
        "slack_inbox_open",
        slack_inbox.c.tenant_id,
        slack_inbox.c.state,
        slack_inbox.c.number,
        sqlite_where=_open,
        postgresql_where=_open,
    ),
    sa.Index("slack_posts_item", slack_posts.c.tenant_id, slack_posts.c.item_id),
)
TABLES = (slack_inbox, slack_people, slack_threads, slack_posts, feedback)
