-- The store of riad: one SQLite file in WAL mode, user_version 1.
--
-- The store is the truth: whatever one service wants another to know is a row here, and a row in
-- `event` in the same transaction; then it rings. Times are milliseconds since 1970 (UTC).
-- Digests are SHA-256, as blobs of 32 bytes. Secrets stand here only as digests.

-- Somebody, however they come in. Forgetting a person removes the row; words stay under no name.
CREATE TABLE person (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,            -- as identity/name.h allows
    skeleton   TEXT NOT NULL UNIQUE,            -- what names that look alike share
    role       TEXT NOT NULL DEFAULT 'person' CHECK (role IN ('waiting', 'person', 'host')),
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    muted_until INTEGER NOT NULL DEFAULT 0
);

-- What proves a person: an SSH key, a browser's cookie, a bearer token. A guest's browser has no person.
CREATE TABLE credential (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id  INTEGER REFERENCES person (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('key', 'browser', 'token')),
    digest     BLOB NOT NULL,                   -- of the key's wire form, the cookie, the token
    label      TEXT NOT NULL DEFAULT '',        -- for its owner: `ed25519 SHA256:...`, `Firefox on Android`
    address    TEXT NOT NULL DEFAULT '',        -- where it was last used
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    expires_at INTEGER,                         -- NULL never
    UNIQUE (digest, kind, person_id)            -- one key may hold several names; a secret is one's own
);
CREATE INDEX credential_person ON credential (person_id);

-- One-time codes: 'web' signs a browser in, 'key' and 'browser' add a credential.
CREATE TABLE code (
    digest     BLOB PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('web', 'key', 'browser')),
    person_id  INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (person_id, kind)
) WITHOUT ROWID;

-- Who may not enter. subject: a person's id, a key's digest in hexadecimal, an address.
CREATE TABLE ban (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('person', 'key', 'address')),
    subject    TEXT NOT NULL,
    reason     TEXT NOT NULL DEFAULT '',
    by_id      INTEGER REFERENCES person (id) ON DELETE SET NULL,
    created_at INTEGER NOT NULL,
    until      INTEGER,                         -- NULL for ever
    UNIQUE (kind, subject)
);

CREATE TABLE setting (
    person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (person_id, name)
) WITHOUT ROWID;

CREATE TABLE ignored (
    person_id  INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    ignored_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    PRIMARY KEY (person_id, ignored_id)
) WITHOUT ROWID;

-- The conversation. Room 1 is the lobby.
CREATE TABLE room (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    topic      TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
);

CREATE TABLE member (
    room_id   INTEGER NOT NULL REFERENCES room (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    joined_at INTEGER NOT NULL,
    seen_id   INTEGER NOT NULL DEFAULT 0,       -- the last message that this person has seen there
    PRIMARY KEY (person_id, room_id)
) WITHOUT ROWID;

CREATE TABLE message (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    room_id    INTEGER REFERENCES room (id) ON DELETE CASCADE,   -- NULL: private
    person_id  INTEGER REFERENCES person (id) ON DELETE SET NULL, -- NULL: the box, or forgotten
    to_id      INTEGER REFERENCES person (id) ON DELETE CASCADE, -- private: for whom
    kind       TEXT NOT NULL CHECK (kind IN ('say', 'me', 'topic', 'file', 'notice')),
    text       TEXT NOT NULL,
    removed_by INTEGER                          -- the words are gone, the mark stays
);
CREATE INDEX message_room ON message (room_id, id);
CREATE INDEX message_person ON message (person_id, id);
CREATE INDEX message_private ON message (person_id, id) WHERE room_id IS NULL;
CREATE INDEX message_to ON message (to_id, id) WHERE to_id IS NOT NULL;

CREATE VIRTUAL TABLE message_text USING fts5 (text, content = 'message', content_rowid = 'id');
CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
    INSERT INTO message_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER message_changed AFTER UPDATE OF text ON message BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO message_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER message_dropped AFTER DELETE ON message BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.id, old.text);
END;

CREATE TABLE report (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    by_id      INTEGER REFERENCES person (id) ON DELETE SET NULL,
    about_id   INTEGER REFERENCES person (id) ON DELETE SET NULL,
    text       TEXT NOT NULL                    -- what was said before, as its reporter saw it
);

-- Presence: an open door each. A service removes its own rows when it starts.
CREATE TABLE session (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    door       TEXT NOT NULL CHECK (door IN ('ssh', 'sftp', 'web')),
    person_id  INTEGER REFERENCES person (id) ON DELETE CASCADE,
    address    TEXT NOT NULL,
    room_id    INTEGER REFERENCES room (id) ON DELETE SET NULL,
    away       TEXT NOT NULL DEFAULT '',
    since      INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
);
CREATE INDEX session_person ON session (person_id);

-- What happened, for whoever was rung. Trimmed from the front.
CREATE TABLE event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,                      -- see identity/event.h
    subject INTEGER NOT NULL
);

-- The index of the drop; the bytes lie in drop/ under path.
CREATE TABLE file (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    path       TEXT NOT NULL UNIQUE,            -- NFC, no leading slash
    folder     TEXT NOT NULL DEFAULT '',        -- the part of path before its last slash
    folded     TEXT NOT NULL DEFAULT '',        -- path without case, for searches
    person_id  INTEGER REFERENCES person (id) ON DELETE SET NULL,
    guest      BLOB,                            -- digest of the guest's cookie or Drop-Token
    size       INTEGER NOT NULL,
    sha256     BLOB,                            -- NULL: put there by hand and not read yet
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,               -- of the file itself, as its owner set it
    downloads  INTEGER NOT NULL DEFAULT 0,
    announced  INTEGER NOT NULL DEFAULT 1       -- whether the lobby has been told
);
CREATE INDEX file_folder ON file (folder, path);
CREATE INDEX file_created ON file (created_at);
CREATE INDEX file_person ON file (person_id);
CREATE INDEX file_guest ON file (guest) WHERE guest IS NOT NULL;
CREATE INDEX file_modified ON file (modified_at);
CREATE INDEX file_unannounced ON file (id) WHERE announced = 0;
CREATE INDEX file_unread ON file (id) WHERE sha256 IS NULL;

-- Folders of the drop, each with its parents. made: by itself, rather than on the way to a file.
CREATE TABLE folder (
    path       TEXT PRIMARY KEY,
    parent     TEXT NOT NULL,
    person_id  INTEGER REFERENCES person (id) ON DELETE SET NULL,
    made       INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX folder_parent ON folder (parent, path);

-- Files that are on their way in; the bytes lie in drop/.arriving/KEY.
CREATE TABLE arrival (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT NOT NULL UNIQUE,            -- unguessable; names the part file and the tus upload
    path       TEXT NOT NULL,
    person_id  INTEGER REFERENCES person (id) ON DELETE CASCADE,
    guest      BLOB,
    door       TEXT NOT NULL CHECK (door IN ('put', 'form', 'tus', 'sftp', 'ssh')),
    size       INTEGER,                         -- NULL: not known yet
    received   INTEGER NOT NULL DEFAULT 0,
    synced     INTEGER NOT NULL DEFAULT 0,      -- so much is on disk for sure, even after a power cut
    replaces   INTEGER NOT NULL DEFAULT 0,      -- its owner's file of that name
    exact      INTEGER NOT NULL DEFAULT 0,      -- that name or none
    scattered  INTEGER NOT NULL DEFAULT 0,      -- bytes came out of order: not to be followed
    sha256     BLOB,                            -- set when all is here and it is about to get its name
    announced  INTEGER NOT NULL DEFAULT 0,      -- that it comes, a very large one
    started_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX arrival_path ON arrival (path);

-- Addresses given by DHCP.
CREATE TABLE lease (
    ip         TEXT PRIMARY KEY,
    mac        TEXT NOT NULL,
    client_id  TEXT NOT NULL DEFAULT '',
    host       TEXT NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

-- The mirror's flights: archives on their way across the link. name: ALGO:HEX of one digest.
CREATE TABLE flight (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    state      TEXT NOT NULL CHECK (state IN ('wanted', 'flying', 'landed', 'failed')),
    priority   INTEGER NOT NULL DEFAULT 0,      -- 0 somebody waits, 1 nobody does any more, 2 prefetch
    keep       INTEGER NOT NULL DEFAULT 0,      -- 1: it leaves the cache last
    length     INTEGER,                         -- NULL not known (yet)
    received   INTEGER NOT NULL DEFAULT 0,
    speed      INTEGER NOT NULL DEFAULT 0,      -- bytes a second, while it flies
    error      TEXT NOT NULL DEFAULT '',        -- why it failed: a status (404, 503) and a sentence
    wanted_at  INTEGER NOT NULL,
    ended_at   INTEGER
);
CREATE INDEX flight_state ON flight (state);

-- What grows: bytes from the link, bytes served, hits.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- What one service wants all to know: the link is down, who else serves DHCP.
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    at    INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO room (id, name, created_at) VALUES (1, 'lobby', 0);
