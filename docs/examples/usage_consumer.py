#!/usr/bin/env python3
#
# Copyright (C) nginx-ai-route contributors

"""Reads usage records from a Redis stream into SQLite, and sums them up.

One of any number of processes with the same --group (each with a --consumer
of its own): every record is taken by one of them, stored, and acknowledged
when the database has it.  What a dead one took, another takes over.  A record
that comes twice is stored once.

    usage_consumer.py --redis redis://127.0.0.1:6379/0 --db usage.db
    usage_consumer.py --db usage.db --csv -      # sums by day, team, model ...

Python 3.7 and its standard library are all that is needed.
"""

import argparse
import csv
import os
import signal
import socket
import sqlite3
import ssl
import sys
import time
import urllib.parse

INTEGERS = """ts_ms stream status attempt attempts input_tokens output_tokens
    cache_read_tokens cache_write_tokens reasoning_tokens cost_nanousd
    latency_ms ttft_ms queue_ms drill""".split()

FIELDS = """event_id kind request_id ts_ms key_id app team env class endpoint
    stream model_requested model_served route account provider status outcome
    error_class attempt attempts fallback trail input_tokens output_tokens
    cache_read_tokens cache_write_tokens reasoning_tokens usage_source
    cost_nanousd cost_owner latency_ms ttft_ms queue_ms trace_id
    drill""".split()


class RedisError(Exception):
    """An error that Redis answered, such as "NOGROUP ..."."""


class Redis:
    """As much of RESP2 as this needs.  Trouble of the connection is OSError."""

    def __init__(self, url, user=None, password=None, ca=None, timeout=30):
        self.url = url
        self.user, self.password = user, password
        self.ca, self.timeout = ca, timeout
        self.sock = self.file = None

    def connect(self):
        self.close()
        self.sock, db = self._open()
        self.file = self.sock.makefile("rb", 1 << 16)

        if self.password is not None:
            self.command("AUTH", *([self.user] if self.user else []),
                         self.password)
        if db:
            self.command("SELECT", db)

    def _open(self):
        if self.url.startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(self.timeout)
            sock.connect(self.url[len("unix:"):])
            return sock, ""

        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError('write "redis://HOST[:PORT][/DB]", "rediss://..."'
                             ' or "unix:/PATH", not "%s"' % self.url)
        if parts.password is not None:
            raise ValueError("no password in the address: it would be seen by "
                             "others, write --password-env NAME")

        sock = socket.create_connection((parts.hostname, parts.port or 6379),
                                        self.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "rediss":
            context = ssl.create_default_context(cafile=self.ca)
            sock = context.wrap_socket(sock, server_hostname=parts.hostname)
        return sock, parts.path.strip("/")

    def close(self):
        for thing in (self.file, self.sock):
            if thing is not None:
                try:
                    thing.close()
                except OSError:
                    pass
        self.sock = self.file = None

    def command(self, *words):
        if self.sock is None:
            raise ConnectionError("not connected")
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            if not isinstance(word, bytes):
                word = str(word).encode("utf-8", "surrogateescape")
            out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.sock.sendall(b"".join(out))

        reply = self._reply()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def _reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")

        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self.file.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("Redis closed the connection")
            return data[:-2]
        if kind == b"*":
            return (None if rest == b"-1"
                    else [self._reply() for _ in range(int(rest))])
        raise ConnectionError("this is not Redis: %r" % line[:40])


def record(pairs):
    """A stream entry's names and values, as a dictionary; ValueError if it is
    no record: a stream is open to whoever may write to it."""
    words = [word.decode("utf-8", "replace") for word in pairs]
    fields = dict(zip(words[::2], words[1::2]))
    if not fields.get("event_id"):
        raise ValueError("no event_id")
    for name in INTEGERS:
        if name in fields:
            fields[name] = int(fields[name])
            if not -2 ** 63 <= fields[name] < 2 ** 63:
                raise ValueError("%s has more than 63 bits" % name)
    return fields


class Store:
    """The database.  Several consumers may write to the same one."""

    # A worker that was killed at the very moment of recording may have its
    # request recorded by another one, too: its own word is the better one.
    INSERT = """INSERT INTO usage (%s) VALUES (%s)
        ON CONFLICT (event_id) DO UPDATE SET %s
        WHERE usage.error_class = 'worker_lost'
              AND excluded.error_class IS NOT 'worker_lost'""" % (
        ", ".join('"%s"' % f for f in FIELDS), ", ".join("?" * len(FIELDS)),
        ", ".join('"%s" = excluded."%s"' % (f, f) for f in FIELDS))

    # All that was used: a request of several attempts has in its own record
    # the tokens of the last one only, which has a record, too; but one that
    # was metered only, and has no class, has no such records.  Dollars and
    # the rest apart: SQLite gives up where a sum leaves 63 bits.
    SUMS = """SELECT date(ts_ms / 1000, 'unixepoch') AS day, team,
            coalesce(model_served, model_requested) AS model, account,
            sum(kind = 'request') AS requests,
            sum(kind = 'request' AND outcome = 'ok') AS ok,
            sum(CASE WHEN billed THEN input_tokens END) AS input_tokens,
            sum(CASE WHEN billed THEN output_tokens END) AS output_tokens,
            sum(CASE WHEN billed THEN cost_nanousd / 1000000000 END) AS usd,
            sum(CASE WHEN billed THEN cost_nanousd % 1000000000 END) AS nano
        FROM (SELECT *, kind = 'attempt' OR attempts < 2 OR class IS NULL
                     AS billed FROM usage)
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""

    TIMEOUT = 60

    def __init__(self, path):
        self.db = sqlite3.connect(path, timeout=self.TIMEOUT,
                                  isolation_level=None)
        self._wal()
        self.db.execute("CREATE TABLE IF NOT EXISTS usage (%s)" % ", ".join(
            '"%s" %s' % (f, "INTEGER" if f in INTEGERS else "TEXT")
            for f in FIELDS))
        self.db.execute("CREATE UNIQUE INDEX IF NOT EXISTS usage_event_id "
                        "ON usage (event_id)")

    def _wal(self):
        """SQLite does not wait by its timeout for a change of the mode."""
        end = time.monotonic() + self.TIMEOUT
        while True:
            try:
                self.db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def add(self, records):
        """Stores all of them or none; how many were new."""
        before = self.db.total_changes
        self.db.execute("BEGIN IMMEDIATE")
        try:
            self.db.executemany(self.INSERT,
                                ([r.get(f) for f in FIELDS] for r in records))
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        return self.db.total_changes - before

    def export(self, path):
        out = sys.stdout if path == "-" else open(path, "w", newline="")
        rows = self.db.execute(self.SUMS)
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column[0] for column in rows.description[:-2]]
                        + ["cost_usd"])
        for row in rows:
            usd, nano = row[-2:]
            writer.writerow(["" if v is None else v for v in row[:-2]]
                            + ["" if nano is None else "%d.%09d" % divmod(
                               usd * 10 ** 9 + nano, 10 ** 9)])
        if out is not sys.stdout:
            out.close()


class Consumer:
    def __init__(self, redis, store, args):
        self.redis, self.store, self.args = redis, store, args
        self.ending = False
        self.read = self.new = self.taken_over = 0
        self.next_claim = 0.0

    def stop(self, *_):
        self.ending = True              # after what is in hand

    def run(self):
        pause = 0.1
        while not self.ending:
            try:
                self.redis.connect()
                self.group()
                pause = 0.1
                self.consume()
                if self.args.once:
                    return True
            except (OSError, RedisError) as error:
                # Redis is away, is loading, or has lost the group
                say("%s, again in %.1f s" % (error, pause))
                self.redis.close()
                if self.args.once and pause >= 2:
                    return False
                time.sleep(pause)
                pause = min(2 * pause, 2)
        return True

    def group(self):
        """The group begins at the stream's first entry."""
        try:
            self.redis.command("XGROUP", "CREATE", self.args.stream,
                               self.args.group, "0", "MKSTREAM")
        except RedisError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def consume(self):
        # what this one had taken before it died, then what is new
        while not self.ending and self.batch("0"):
            pass

        while not self.ending:
            if self.args.once or time.monotonic() >= self.next_claim:
                self.take_over()
                self.next_claim = time.monotonic() + self.args.idle / 2000
            if not self.batch(">") and self.args.once:
                return

    def batch(self, since):
        block = [] if self.args.once else ["BLOCK", 1000]
        reply = self.redis.command(
            "XREADGROUP", "GROUP", self.args.group, self.args.consumer,
            "COUNT", self.args.batch, *block, "STREAMS", self.args.stream,
            since)
        entries = reply[0][1] if reply else []
        self.keep(entries)
        return len(entries)

    def take_over(self):
        """What others have not acknowledged for --idle milliseconds."""
        cursor = b"0-0"
        while not self.ending:
            reply = self.redis.command(
                "XAUTOCLAIM", self.args.stream, self.args.group,
                self.args.consumer, self.args.idle, cursor, "COUNT",
                self.args.batch)
            cursor, entries = reply[0], [e for e in reply[1] if e is not None]
            self.taken_over += len(entries)
            self.keep(entries)
            if cursor == b"0-0":
                return

    def keep(self, entries):
        """Into the database, and only then acknowledged."""
        if not entries:
            return
        records = []
        for entry, pairs in entries:
            if not pairs:
                continue        # the stream has dropped it meanwhile
            try:
                records.append(record(pairs))
            except ValueError as error:
                # never stored, so it must not come again
                say("entry %s is no record, it is passed over: %s"
                    % (entry.decode(), error))
        self.new += self.store.add(records)
        self.read += len(records)
        self.redis.command("XACK", self.args.stream, self.args.group,
                           *(entry[0] for entry in entries))


def say(text):
    print("usage_consumer: " + text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--redis", metavar="URL",
                        help="redis://HOST[:PORT][/DB], rediss://... (TLS)\n"
                             "or unix:/PATH; without it nothing is read")
    parser.add_argument("--stream", default="ai:usage", metavar="KEY")
    parser.add_argument("--group", default="billing", metavar="NAME")
    parser.add_argument("--consumer", metavar="NAME",
                        default="%s-%d" % (socket.gethostname(), os.getpid()),
                        help="this process in the group (host and pid)")
    parser.add_argument("--user", help="of Redis")
    parser.add_argument("--password-env", metavar="NAME",
                        help="environment variable with its password")
    parser.add_argument("--ca", metavar="FILE",
                        help="certificates to trust with rediss://")
    parser.add_argument("--db", default="usage.db", metavar="FILE",
                        help="the SQLite database (usage.db)")
    parser.add_argument("--batch", type=int, default=500, metavar="N")
    parser.add_argument("--idle", type=int, default=60000, metavar="MS",
                        help="take over what others have held for so long")
    parser.add_argument("--once", action="store_true",
                        help="end when nothing is left to read")
    parser.add_argument("--csv", metavar="FILE",
                        help="sums by day, team, model and account; - is\n"
                             "standard output")
    args = parser.parse_args()
    if not args.redis and not args.csv:
        parser.error("say --redis, --csv or both")
    return args


def main():
    args = arguments()
    store = Store(args.db)
    done = True

    if args.redis:
        password = args.password_env and os.environ.get(args.password_env)
        if args.password_env and not password:
            say("no variable %s in the environment" % args.password_env)
            return 2
        consumer = Consumer(Redis(args.redis, args.user, password, args.ca),
                            store, args)
        signal.signal(signal.SIGTERM, consumer.stop)
        signal.signal(signal.SIGINT, consumer.stop)
        try:
            done = consumer.run()
        except ValueError as error:
            say(str(error))
            return 2
        say("%d records read, %d of them new, %d taken over from others"
            % (consumer.read, consumer.new, consumer.taken_over))

    if args.csv:
        store.export(args.csv)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
