-- For programs in other languages: a job by plain SQL, within whatever transaction is open.
--
-- It does what rota.enqueue does.  The defaults were resolved when the type and the queue were declared, and the
-- statements in angle brackets are the ones that Python runs, so that there is one truth.  Arguments are not compared
-- with the schema of the type, for PostgreSQL knows no JSON Schema: a function refuses what does not fit it.

-- Whoever changes the parameters of rota_enqueue writes their number here: else two functions had one name.
DO $rota$
DECLARE
  old regprocedure;
BEGIN
  FOR old IN SELECT oid FROM pg_proc WHERE proname = 'rota_enqueue' AND pronargs <> 14
      AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) LOOP
    EXECUTE 'DROP FUNCTION ' || old;
  END LOOP;
END $rota$;

-- A key with its parts from the arguments, as in customer={customer.id}; {{ and }} are braces.
CREATE OR REPLACE FUNCTION rota_key(template text, args json, field text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $rota$
DECLARE
  part text[];
  path text[];
  found json;
  result text := '';
BEGIN
  IF template IS NULL THEN
    RETURN NULL;
  END IF;
  FOR part IN SELECT regexp_matches(template, '(\{\{|\}\})|\{([^{}]*)\}|([{}])|([^{}]+)', 'g') LOOP
    IF part[1] IS NOT NULL THEN
      result := result || left(part[1], 1);
    ELSIF part[4] IS NOT NULL THEN
      result := result || part[4];
    ELSIF part[3] IS NOT NULL THEN
      RAISE EXCEPTION '%: a single brace stands in it', field
        USING ERRCODE = '22023', HINT = 'write the name of an argument in braces, and two braces for one';
    ELSE
      path := string_to_array(part[2], '.');
      found := CASE WHEN part[2] !~ '-' THEN args #> path END;
      IF part[2] !~ '^[^\s.]+(\.[^\s.]+)*$' THEN
        RAISE EXCEPTION '%: "%" names no argument', field, part[2]
          USING ERRCODE = '22023', HINT = 'write for example {customer.id}';
      ELSIF found IS NULL AND part[2] ~ '-' THEN
        found := args #> path;  -- a name with a hyphen; a negative place in a list is none
        IF EXISTS (SELECT 1 FROM generate_subscripts(path, 1) n
            WHERE path[n] ~ '^-' AND json_typeof(args #> path[1 : n - 1]) = 'array') THEN
          found := NULL;
        END IF;
      END IF;
      IF found IS NULL THEN
        RAISE EXCEPTION '%: takes % from the arguments, and there is none', field, part[2]
          USING ERRCODE = '22023', HINT = 'give that argument';
      ELSIF json_typeof(found) NOT IN ('string', 'boolean')
          AND (json_typeof(found) <> 'number' OR found::text !~ '^\s*-?[1-9][0-9]*\s*$' AND found::text !~ '^\s*0\s*$'
            OR length(found::text) > 18) THEN
        RAISE EXCEPTION '%: takes % from the arguments, which is neither a text nor a whole number', field, part[2]
          USING ERRCODE = '22023', HINT = 'take a text or a whole number';
      END IF;
      result := result || (args #>> path);
    END IF;
  END LOOP;
  IF result = '' THEN
    RAISE EXCEPTION '%: is empty', field USING ERRCODE = '22023', HINT = 'leave it out, or give a key';
  ELSIF octet_length(result) > 1000 THEN
    RAISE EXCEPTION '%: is longer than 1000 bytes', field
      USING ERRCODE = '22023', HINT = 'take a shorter part of the arguments';
  END IF;
  PERFORM rota_check_text(result, field, 500);
  RETURN result;
END $rota$;

-- Refuses what is too long or holds control characters.
CREATE OR REPLACE FUNCTION rota_check_text(value text, field text, most int) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $rota$
BEGIN
  IF length(value) > most THEN
    RAISE EXCEPTION '%: is longer than % characters', field, most
      USING ERRCODE = '22023', HINT = 'it has ' || length(value);
  ELSIF value ~ '[\u0001-\u001f\u007f-\u009f]' THEN
    RAISE EXCEPTION '%: holds a control character', field USING ERRCODE = '22023', HINT = 'remove it';
  END IF;
END $rota$;

-- An interval in microseconds; null stays null.
CREATE OR REPLACE FUNCTION rota_micros(value interval, field text, lowest bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $rota$
DECLARE
  micros numeric := round((extract(epoch FROM value) * 1000000)::numeric);
BEGIN
  IF micros < lowest OR micros > 3155760000000000 THEN
    RAISE EXCEPTION '%: % is out of range', field, value
      USING ERRCODE = '22023', HINT = 'from ' || lowest || ' microseconds to 100 years';
  END IF;
  RETURN micros::bigint;
END $rota$;

-- How long a unique key with the scope window holds, in microseconds: 90s, 10m, 1h30m.
CREATE OR REPLACE FUNCTION rota_window(scope text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $rota$
DECLARE
  said text[] := regexp_match(scope,
    '^window:(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?$');
  micros bigint := 0;
BEGIN
  IF said IS NOT NULL THEN
    micros := coalesce(said[1], '0')::bigint * 86400000000 + coalesce(said[2], '0')::bigint * 3600000000
      + coalesce(said[3], '0')::bigint * 60000000 + coalesce(said[4], '0')::bigint * 1000000
      + coalesce(said[5], '0')::bigint * 1000;
  END IF;
  IF micros < 1000000 OR micros > 31622400000000 THEN
    RAISE EXCEPTION 'unique_scope: "%" is unknown', left(scope, 100)
      USING ERRCODE = '22023', HINT = 'waiting, active, or a window from 1s to 366d as in window:10m';
  END IF;
  RETURN micros;
END $rota$;

-- Microseconds as 1h30m: the parts that are not zero.
CREATE OR REPLACE FUNCTION rota_window_text(micros bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $rota$
  SELECT 'window:' || string_agg(n || unit, '' ORDER BY place) FROM (VALUES
    (1, micros / 86400000000, 'd'), (2, micros / 3600000000 % 24, 'h'), (3, micros / 60000000 % 60, 'm'),
    (4, micros / 1000000 % 60, 's'), (5, micros / 1000 % 1000, 'ms')) AS parts(place, n, unit) WHERE n > 0
$rota$;

-- A UUID of version 7: milliseconds, their fraction, and 62 random bits.
CREATE OR REPLACE FUNCTION rota_new_id() RETURNS uuid
LANGUAGE sql VOLATILE AS $rota$
  SELECT (lpad(to_hex(us / 1000), 12, '0') || '7' || lpad(to_hex(us % 1000 * 4096 / 1000), 3, '0')
    || substr('89ab', 1 + ('x' || left(bits, 1))::bit(4)::int % 4, 1) || right(bits, 15))::uuid
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us,
    replace(gen_random_uuid()::text, '-', '') AS bits) n
$rota$;

-- Refuses arguments that some reader behind would refuse, when the work is to be done.
CREATE OR REPLACE FUNCTION rota_check_args(args json, most_bytes bigint, most_depth int, takes_object boolean)
RETURNS void LANGUAGE plpgsql IMMUTABLE AS $rota$
DECLARE
  written text := args::text;
  rest text;
BEGIN
  IF octet_length(written) > most_bytes THEN
    RAISE EXCEPTION 'args: is larger than % bytes', most_bytes
      USING ERRCODE = '22023', HINT = 'pass a reference to the data instead';
  ELSIF takes_object AND json_typeof(args) <> 'object' THEN
    RAISE EXCEPTION 'args: a function takes its arguments by name'
      USING ERRCODE = '22023', HINT = 'give an object, for example {"limit": 10}';
  END IF;
  IF strpos(written, '\u') > 0 THEN
    BEGIN
      PERFORM written::jsonb;
    EXCEPTION WHEN data_exception OR feature_not_supported THEN
      RAISE EXCEPTION 'args: holds a NUL character or a lone surrogate'
        USING ERRCODE = '22023', HINT = 'remove it; databases refuse it';
    END;
  END IF;
  IF octet_length(written) - octet_length(translate(written, '[{', '')) <= most_depth
      AND written !~ '[0-9]{200,}|[0-9][eE]\+?[0-9]{3,}' THEN
    RETURN;
  END IF;
  rest := regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g');
  IF rest ~ '(?:[0-9]{103,}){3,}|[0-9][eE]\+?0*(?:30[89]|3[1-9][0-9]|[4-9][0-9][0-9]|[1-9][0-9]{3,})' THEN
    RAISE EXCEPTION 'args: holds a number out of range' USING ERRCODE = '22023', HINT = 'send large numbers as text';
  END IF;
  rest := regexp_replace(rest, '[^][{}]', '', 'g');
  FOR depth IN 1..most_depth LOOP
    rest := regexp_replace(rest, '\[\]|\{\}', '', 'g');
    EXIT WHEN rest = '';
  END LOOP;
  IF rest <> '' THEN
    RAISE EXCEPTION 'args: is nested deeper than % levels', most_depth
      USING ERRCODE = '22023', HINT = 'flatten it, or pass a reference';
  END IF;
END $rota$;

-- The job to store, in the form that the statement of the store takes.
CREATE OR REPLACE FUNCTION rota_new_job(job_type text, args json, queue text, priority int, concurrency_key text,
  order_key text, max_attempts int, expires_in interval, tags json) RETURNS json
LANGUAGE plpgsql STABLE AS $rota$
#variable_conflict use_column
DECLARE
  known record;
  of_type json;
  of_queue json;
  retried json;
  in_queue text;
BEGIN
  SELECT t.lane, t.target, t.resolved INTO known FROM rota_types t WHERE t.name = rota_new_job.job_type;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'job_type: "%" was never declared', left(job_type, 100)
      USING ERRCODE = '22023', HINT = 'start a worker with its code, or PUT /api/job-types/NAME';
  ELSIF known.resolved IS NULL THEN
    RAISE EXCEPTION 'job_type: "%" was declared by an older Rota, or its defaults are wrong', job_type
      USING ERRCODE = '55000', HINT = 'start a worker with its code, or PUT /api/job-types/NAME again';
  END IF;
  of_type := known.resolved;
  in_queue := coalesce(queue, of_type->>'queue', 'default');
  IF length(in_queue) > 100 OR in_queue = 'host:' OR in_queue !~ '^[A-Za-z0-9][A-Za-z0-9._:-]*$' THEN
    RAISE EXCEPTION 'queue: "%" is not a name', left(in_queue, 80)
      USING ERRCODE = '22023', HINT = 'use letters, digits and . _ : -, a letter or digit first';
  END IF;
  SELECT coalesce(q.resolved, CASE WHEN q.defaults IS NOT NULL THEN 'null'::json END, '{}') INTO of_queue
    FROM rota_queues q WHERE q.name = in_queue;
  IF json_typeof(of_queue) = 'null' THEN
    RAISE EXCEPTION 'queue: "%" was set by an older Rota', in_queue
      USING ERRCODE = '55000', HINT = 'set its defaults again';
  END IF;
  of_queue := coalesce(of_queue, '{}');
  PERFORM rota_check_args(args, (of_type->>'most_bytes')::bigint, (of_type->>'most_depth')::int,
    (of_type->>'takes_object')::boolean);
  IF priority NOT BETWEEN -1000000000 AND 1000000000 THEN
    RAISE EXCEPTION 'priority: % is out of range', priority
      USING ERRCODE = '22023', HINT = 'from -1000000000 to 1000000000';
  ELSIF max_attempts NOT BETWEEN 1 AND 1000000 THEN
    RAISE EXCEPTION 'max_attempts: % is out of range', max_attempts
      USING ERRCODE = '22023', HINT = 'from 1 to 1000000';
  END IF;
  tags := coalesce(tags, of_type->'tags', of_queue->'tags', '[]');
  IF json_typeof(tags) <> 'array' OR json_array_length(tags) > 50
      OR EXISTS (SELECT 1 FROM json_array_elements(tags) AS e(tag) WHERE json_typeof(e.tag) <> 'string' OR e.tag #>> '{}' = '') THEN
    RAISE EXCEPTION 'tags: must be a list of at most 50 texts'
      USING ERRCODE = '22023', HINT = 'write for example ["orders", "eu"]';
  END IF;
  PERFORM rota_check_text(e.tag, 'tags', 200) FROM json_array_elements_text(tags) AS e(tag);
  retried := coalesce(of_type->'retry', of_queue->'retry');
  RETURN json_build_object(
    'type', job_type, 'lane', known.lane, 'target', known.target::text, 'queue', in_queue,
    'rank', coalesce(-priority::bigint, (of_type->>'rank')::bigint, (of_queue->>'rank')::bigint, 0),
    'args', args::text,
    'max_attempts', coalesce(max_attempts, (of_type->>'max_attempts')::bigint, (of_queue->>'max_attempts')::bigint,
      (retried->>'attempts')::bigint, (of_type->>'usual_attempts')::bigint),
    'retry', retried->>'policy',
    'timeout_us', coalesce(least(coalesce((of_type->>'timeout_us')::bigint, (of_queue->>'timeout_us')::bigint),
      (of_type->>'target_timeout_us')::bigint), (of_type->>'usual_timeout_us')::bigint),
    'silence_us', coalesce((of_type->>'silence_us')::bigint, (of_queue->>'silence_us')::bigint),
    'on_lost', coalesce(of_type->>'on_lost', of_queue->>'on_lost'),
    'concurrency_key', rota_key(coalesce(concurrency_key, of_type->>'concurrency_key', of_queue->>'concurrency_key'),
      args, 'concurrency_key'),
    'turn_key', '<order>' || rota_key(coalesce(order_key, of_type->>'order_key', of_queue->>'order_key'), args,
      'order_key'),
    'tags', (SELECT '[' || string_agg(to_json(e.tag)::text, ',' ORDER BY e.n) || ']'
      FROM json_array_elements_text(tags) WITH ORDINALITY AS e(tag, n)),
    'run_on', nullif(coalesce(of_type->'run_on', of_queue->'run_on')::text, '[]'),
    'expires_us', coalesce(rota_micros(expires_in, 'expires_in', 1000), (of_type->>'expires_us')::bigint,
      (of_queue->>'expires_us')::bigint)
  );
END $rota$;

CREATE OR REPLACE FUNCTION rota_enqueue(
  job_type text, args json DEFAULT '{}', queue text DEFAULT NULL, priority int DEFAULT NULL,
  run_at timestamptz DEFAULT NULL, delay interval DEFAULT NULL, unique_key text DEFAULT NULL,
  unique_scope text DEFAULT 'active', concurrency_key text DEFAULT NULL, order_key text DEFAULT NULL,
  max_attempts int DEFAULT NULL, expires_in interval DEFAULT NULL, tags json DEFAULT NULL, started_by text DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $rota$
#variable_conflict use_column
DECLARE
  new_id uuid := rota_new_id();
  job jsonb;
  new_batch text;
  hold_it bigint := 0;
  stored record;
  holder uuid;
  hold_us bigint;
  active_ones text;
BEGIN
  args := coalesce(args, '{}');
  unique_scope := coalesce(unique_scope, 'active');
  job := rota_new_job(job_type, args, queue, priority, concurrency_key, order_key, max_attempts, expires_in, tags);
  IF run_at IS NOT NULL AND delay IS NOT NULL THEN
    RAISE EXCEPTION 'run_at: delay and run_at exclude each other' USING ERRCODE = '22023', HINT = 'give one of them';
  ELSIF run_at NOT BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999999Z' THEN
    RAISE EXCEPTION 'run_at: the time lies outside the years 1 to 9999'
      USING ERRCODE = '22023', HINT = 'leave it out to start at once';
  ELSIF unique_key = '' THEN
    RAISE EXCEPTION 'unique_key: is empty' USING ERRCODE = '22023', HINT = 'leave it out, or give a key';
  END IF;
  PERFORM rota_check_text(unique_key, 'unique_key', 500), rota_check_text(started_by, 'started_by', 200);
  IF unique_key IS NULL THEN
    unique_scope := NULL;
  ELSIF unique_scope NOT IN ('waiting', 'active') THEN
    hold_us := rota_window(unique_scope);
    unique_scope := rota_window_text(hold_us);
  END IF;
  job := job || jsonb_build_object('id', new_id, 'origin', 'enqueue', 'started_by', nullif(started_by, ''),
    'run_at', (extract(epoch FROM run_at) * 1000000)::bigint, 'delay_us', rota_micros(delay, 'delay', 0),
    'unique_key', unique_key, 'unique_scope', unique_scope, 'unique_for_us', hold_us);
  new_batch := jsonb_build_array(job)::text;
  IF NOT EXISTS (SELECT 1 FROM rota_queues q WHERE q.name = job->>'queue') THEN
    INSERT INTO rota_queues (name, created_at) VALUES (job->>'queue', rota_now()) ON CONFLICT DO NOTHING;
  END IF;
  FOR tries IN 1..5 LOOP
    <insert> INTO stored;
    IF FOUND THEN
      IF stored.status = 'held' THEN
        -- Locked, so that its end comes either before this, or finds what we stored; the sweep does the rest.
        FOR active_ones IN SELECT a.status FROM rota_jobs a WHERE a.turn_key = stored.turn_key
            AND a.status IN <active> ORDER BY a.id FOR SHARE LOOP
          PERFORM pg_notify('<channel>', 'jobs');
        END LOOP;
      ELSE
        PERFORM pg_notify('<channel>', CASE WHEN stored.status = 'pending' THEN 'jobs' ELSE 'due' END);
      END IF;
      RETURN new_id;
    END IF;
    IF unique_key IS NOT NULL THEN
      <holder> INTO holder;
      IF FOUND THEN
        RETURN holder;
      END IF;
      <free>;
    END IF;
    hold_it := 1;  -- else it is the turn that somebody took in this moment
  END LOOP;
  RAISE EXCEPTION 'the unique key "%" is taken and released too quickly', unique_key
    USING ERRCODE = '40001', HINT = 'try again';
END $rota$;
