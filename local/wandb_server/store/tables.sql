create table if not exists projects (
    id integer primary key,
    entity text not null,
    name text not null,
    created_at real not null,
    unique (entity, name)
);

create table if not exists runs (
    id integer primary key,
    project_id integer not null references projects (id),
    name text not null,
    display_name text,
    state text not null default 'running',
    config text not null default '{}',
    summary text not null default '{}',
    tags text not null default '[]',
    notes text,
    description text,
    group_name text,
    job_type text,
    host text,
    program text,
    commit_hash text,
    sweep text,
    exit_code integer,
    stop_requested integer not null default 0,
    preempting integer not null default 0,
    created_at real not null,
    updated_at real not null,
    heartbeat_at real not null,
    unique (project_id, name)
);

-- One row per line of a streamed file; the client numbers lines, so a repeated post changes nothing.
create table if not exists lines (
    run_id integer not null references runs (id) on delete cascade,
    stream text not null,
    number integer not null,
    step integer,
    content text not null,
    primary key (run_id, stream, number)
) without rowid;
create index if not exists lines_by_step on lines (run_id, stream, step);

create table if not exists run_files (
    id integer primary key,
    run_id integer not null references runs (id) on delete cascade,
    name text not null,
    size integer not null,
    md5 text not null,
    updated_at real not null,
    unique (run_id, name)
);

create table if not exists alerts (
    id integer primary key,
    run_id integer not null references runs (id) on delete cascade,
    severity text not null,
    title text not null,
    text text not null,
    created_at real not null
);

create table if not exists artifact_types (
    id integer primary key,
    project_id integer not null references projects (id),
    name text not null,
    created_at real not null,
    unique (project_id, name)
);

create table if not exists collections (
    id integer primary key,
    project_id integer not null references projects (id),
    type_id integer not null references artifact_types (id),
    kind text not null,
    name text not null,
    description text,
    client_id text,
    created_at real not null,
    updated_at real not null,
    unique (project_id, name)
);

create table if not exists artifacts (
    id integer primary key,
    sequence_id integer not null references collections (id) on delete cascade,
    run_id integer references runs (id) on delete set null,
    version_index integer not null,
    state text not null default 'PENDING',
    digest text not null,
    metadata text,
    description text,
    ttl_seconds integer,
    history_step integer,
    client_id text,
    wanted_aliases text not null default '[]',
    size integer not null default 0,
    file_count integer not null default 0,
    created_at real not null,
    updated_at real not null,
    unique (sequence_id, version_index)
);

create table if not exists memberships (
    id integer primary key,
    collection_id integer not null references collections (id) on delete cascade,
    artifact_id integer not null references artifacts (id) on delete cascade,
    version_index integer not null,
    created_at real not null,
    unique (collection_id, artifact_id)
);

create table if not exists aliases (
    id integer primary key,
    collection_id integer not null references collections (id) on delete cascade,
    artifact_id integer not null references artifacts (id) on delete cascade,
    alias text not null,
    unique (collection_id, alias)
);

create table if not exists manifests (
    id integer primary key,
    artifact_id integer not null references artifacts (id) on delete cascade,
    name text not null,
    digest text not null,
    kind text not null,
    created_at real not null
);

create table if not exists artifact_files (
    id integer primary key,
    artifact_id integer not null references artifacts (id) on delete cascade,
    name text not null,
    md5 text,
    size integer not null,
    reference text,
    unique (artifact_id, name)
);

create table if not exists artifact_uses (
    artifact_id integer not null references artifacts (id) on delete cascade,
    run_id integer not null references runs (id) on delete cascade,
    used_as text,
    primary key (artifact_id, run_id)
);

create table if not exists tags (
    id integer primary key,
    artifact_id integer not null references artifacts (id) on delete cascade,
    name text not null,
    unique (artifact_id, name)
);
