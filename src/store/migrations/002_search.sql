-- Repeatable: a database where this file has run before runs it again where it has changed.
--
-- Ranked search. This file is the only place where ranking is written: the program calls
-- pgmmr.search, and so can anybody with psql.
--
-- Vector ranking: inner product of unit vectors, exact or by HNSW, as the number of rows says.
-- Keyword ranking: rows with all words first, then rows with some of them, each by ts_rank_cd.
-- Both together: Reciprocal Rank Fusion (Cormack, Clarke, Buettcher 2009), k = 60.

-- Up to so many rows exact search is as quick as an index; so many rows of a word are ranked.
CREATE OR REPLACE FUNCTION pgmmr.exact_rows() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 20000';
CREATE OR REPLACE FUNCTION pgmmr.ranked_rows() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 2000';

DO $$ BEGIN
IF to_regtype('pgmmr.search_plan') IS NULL THEN
CREATE TYPE pgmmr.search_plan AS (
  statement      text,     -- $1 embedding, $2 all words, $3 any word, $4 excluded key, $5 limit,
                           -- $6 candidates, $7 k, $8 and $9 the weights of vector and keyword rank
  way            text,     -- none, exact, hnsw, hnsw filtered
  candidates     int,      -- rows that each ranking hands to the fusion
  expected       int,      -- fewer from HNSW than this: its scan gave up, exact search must answer
  ef_search      int,
  iterative_scan text,
  all_words      tsquery,
  any_word       tsquery
);
END IF;
END $$;
COMMENT ON TYPE pgmmr.search_plan IS 'How pgmmr.search answers one query.';

CREATE OR REPLACE FUNCTION pgmmr.caption_query(captions jsonb, query_text text, query_words text)
RETURNS tsquery LANGUAGE plpgsql STABLE AS $$
DECLARE
  config text;
  one tsquery;
  whole tsquery;
BEGIN
  FOR config IN SELECT DISTINCT c->>'config' FROM jsonb_array_elements(captions) AS c LOOP
    IF config = 'icu' THEN
      one := websearch_to_tsquery('simple', coalesce(query_words, query_text));
    ELSE
      one := websearch_to_tsquery(config::regconfig, query_text);
    END IF;
    CONTINUE WHEN one IS NULL OR numnode(one) = 0;
    whole := CASE WHEN whole IS NULL THEN one ELSE whole || one END;
  END LOOP;
  RETURN whole;
END $$;
COMMENT ON FUNCTION pgmmr.caption_query IS
  'What was typed as a tsquery over caption_tsv: web search syntax, in each of the captions'' configurations. NULL where no word is left.';

CREATE OR REPLACE FUNCTION pgmmr.any_word(all_words tsquery) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  wanted text := querytree(all_words);  -- without what is negated
  unwanted text;
BEGIN
  IF wanted IS NULL OR wanted IN ('', 'T') THEN
    RETURN all_words;
  END IF;
  SELECT string_agg(m[1], ' & ') INTO unwanted
  FROM regexp_matches(all_words::text, $re$(!(?:\( [^)]* \)|'(?:[^']|'')*'))$re$, 'g') AS m;
  wanted := replace(wanted, ' & ', ' | ');
  RETURN coalesce('( ' || wanted || ' ) & ' || unwanted, wanted)::tsquery;
EXCEPTION WHEN syntax_error THEN
  RETURN all_words;
END $$;
COMMENT ON FUNCTION pgmmr.any_word IS
  'The same words joined by OR; what was negated stays forbidden, phrases stay phrases.';

-- The statement's text. Tables and columns are quoted here; a condition is the caller's own SQL.
CREATE OR REPLACE FUNCTION pgmmr.search_statement(
  relation text, columns jsonb, condition text, by_vector boolean, by_keyword boolean, exact boolean,
  with_similarity boolean)
RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  op text := (SELECT format('OPERATOR(%I.<#>)', n.nspname) FROM pg_catalog.pg_extension e
              JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector');
  names text := (SELECT string_agg(format('t.%I', c->>'name'), ', ' ORDER BY n)
                 FROM jsonb_array_elements(columns) WITH ORDINALITY AS u (c, n));
  fields text := CASE WHEN names IS NULL THEN $sql$'{}'::json$sql$
                      ELSE format('row_to_json((SELECT f FROM (SELECT %s) AS f))', names) END;
  filter text := E'($4 IS NULL OR t.key <> $4)' || coalesce(E' AND (' || condition || E'\n)', '');
  statement text := 'WITH ';
BEGIN
  -- One ranking needs no fusion, and its statement is planned in half the time. An index finds the
  -- rows in order; without one the nearest are found first, so that only theirs are read whole.
  IF by_vector AND NOT by_keyword THEN
    RETURN format(CASE WHEN exact THEN $sql$
SELECT t.key, -v.distance AS score, -v.distance AS similarity,
  row_number() OVER (ORDER BY v.distance, v.key)::int AS vector_rank, NULL::int AS keyword_rank,
  t.image_uri, t.width, t.height, %4$s AS fields, 0 AS vector_found
FROM (SELECT t.key, (t.embedding %1$s $1) + 0 AS distance FROM %2$s AS t WHERE %3$s
      ORDER BY distance, t.key LIMIT $5) AS v JOIN %2$s AS t ON t.key = v.key
ORDER BY v.distance, v.key$sql$
    ELSE $sql$
SELECT v.key, -v.distance AS score, -v.distance AS similarity,
  row_number() OVER (ORDER BY v.distance, v.key)::int AS vector_rank, NULL::int AS keyword_rank,
  v.image_uri, v.width, v.height, v.fields, (count(*) OVER ())::int AS vector_found
FROM (SELECT t.key, t.embedding %1$s $1 AS distance, t.image_uri, t.width, t.height, %4$s AS fields
      FROM %2$s AS t WHERE %3$s ORDER BY t.embedding %1$s $1 LIMIT $5) AS v
ORDER BY v.distance, v.key$sql$ END, op, relation, filter, fields);
  END IF;
  IF by_vector THEN
    statement := statement || format($sql$
vector_arm AS MATERIALIZED (
  SELECT t.key, %1$s AS distance FROM %2$s AS t WHERE %3$s
  ORDER BY %4$s LIMIT $6),
vector_ranked AS (
  SELECT key, row_number() OVER (ORDER BY distance, key) AS rank FROM vector_arm)$sql$,
      CASE WHEN exact THEN format('(t.embedding %s $1) + 0', op)  -- no index has that expression
           ELSE format('t.embedding %s $1', op) END,
      relation, filter,
      -- By the name of the output, so that each distance is computed once.
      CASE WHEN exact THEN 'distance, t.key' ELSE format('t.embedding %s $1', op) END);
  END IF;
  IF by_keyword THEN
    statement := statement || CASE WHEN by_vector THEN ',' ELSE '' END || format($sql$
all_arm AS MATERIALIZED (
  SELECT t.key, ts_rank_cd(t.caption_tsv, $2, 1) AS score FROM %1$s AS t
  WHERE t.caption_tsv @@ $2 AND %2$s LIMIT %3$s),
any_arm AS MATERIALIZED (
  SELECT t.key, ts_rank_cd(t.caption_tsv, $3, 1) AS score FROM %1$s AS t
  WHERE (SELECT count(*) FROM all_arm) < $6 AND t.caption_tsv @@ $3
    AND NOT t.caption_tsv @@ $2 AND %2$s LIMIT %3$s),
keyword_arm AS MATERIALIZED (
  SELECT key, tier, score
  FROM (SELECT key, 1 AS tier, score FROM all_arm
        UNION ALL SELECT key, 2, score FROM any_arm) AS both_tiers
  ORDER BY tier, score DESC, key LIMIT $6),
keyword_ranked AS (
  SELECT key, score, row_number() OVER (ORDER BY tier, score DESC, key) AS rank
  FROM keyword_arm)$sql$,
      relation, filter, pgmmr.ranked_rows());
  END IF;
  statement := statement || CASE
    WHEN by_vector AND by_keyword THEN $sql$,
ranked AS (
  SELECT key, coalesce($8 / ($7 + v.rank), 0) + coalesce($9 / ($7 + k.rank), 0) AS score,
    v.rank AS vector_rank, k.rank AS keyword_rank
  FROM vector_ranked AS v FULL JOIN keyword_ranked AS k USING (key)
  ORDER BY score DESC, key LIMIT $5)$sql$
    ELSE $sql$,
ranked AS (
  SELECT key, score::float8 AS score, NULL::bigint AS vector_rank, rank AS keyword_rank
  FROM keyword_ranked ORDER BY rank LIMIT $5)$sql$ END;
  RETURN statement || format($sql$
SELECT r.key, r.score, %1$s AS similarity, r.vector_rank::int AS vector_rank,
  r.keyword_rank::int AS keyword_rank, t.image_uri, t.width, t.height, %2$s AS fields,
  %3$s AS vector_found
FROM ranked AS r JOIN %4$s AS t ON t.key = r.key
ORDER BY %5$s$sql$,
    CASE WHEN with_similarity THEN format('-(t.embedding %s $1)', op) ELSE 'NULL::float8' END,
    fields,
    CASE WHEN by_vector THEN '(SELECT count(*) FROM vector_arm)::int' ELSE '0' END,
    relation,
    CASE WHEN by_vector THEN 'r.score DESC, r.key' ELSE 'r.keyword_rank' END);
END $$;

CREATE OR REPLACE FUNCTION pgmmr.plan_search(
  collection text, query_text text, query_embedding halfvec, query_words text, "where" text,
  "limit" int, mode text, embedding_of_text boolean, exclude_key text, must_be_exact boolean)
RETURNS pgmmr.search_plan LANGUAGE plpgsql AS $$
DECLARE
  found_row pgmmr.collection;
  plan pgmmr.search_plan;
  relation text;
  condition text := nullif(btrim("where"), '');
  by_vector boolean;
  by_keyword boolean;
  dims int;
  total float8;
  passing float8;
  explained json;
BEGIN
  SELECT c.* INTO found_row FROM pgmmr.collection AS c WHERE c.name = plan_search.collection;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no collection "%"', collection USING ERRCODE = 'undefined_object';
  END IF;
  relation := format('%I.%I', found_row.table_schema, found_row.name);
  IF "limit" IS NULL OR "limit" NOT BETWEEN 1 AND 10000 THEN
    RAISE EXCEPTION 'limit is %, expected 1 to 10000', "limit" USING ERRCODE = 'invalid_parameter_value';
  END IF;
  mode := coalesce(mode, CASE WHEN query_embedding IS NULL THEN 'keyword'
                              WHEN coalesce(query_text, query_words) IS NULL THEN 'vector'
                              ELSE 'hybrid' END);
  IF mode NOT IN ('vector', 'keyword', 'hybrid') THEN
    RAISE EXCEPTION 'mode is "%", expected vector, keyword or hybrid', mode USING ERRCODE = 'invalid_parameter_value';
  END IF;
  by_vector := mode <> 'keyword';
  by_keyword := mode <> 'vector';
  IF by_vector AND query_embedding IS NULL THEN
    RAISE EXCEPTION 'a % search needs query_embedding', mode USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF query_embedding IS NOT NULL THEN
    -- pgvector may live in a schema that the caller's search path does not see.
    EXECUTE (SELECT format('SELECT %I.vector_dims($1)', n.nspname) FROM pg_catalog.pg_extension AS e
             JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector')
      INTO dims USING query_embedding;
    IF dims <> found_row.dim THEN
      RAISE EXCEPTION 'query_embedding has % dimensions, collection % has %', dims, collection,
        found_row.dim USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END IF;
  IF by_keyword AND coalesce(query_text, query_words) IS NULL THEN
    RAISE EXCEPTION 'a % search needs query_text', mode USING ERRCODE = 'invalid_parameter_value';
  END IF;

  -- Only the fusion wants more candidates than hits.
  plan.candidates := CASE WHEN mode = 'hybrid' THEN greatest(4 * "limit", 50) ELSE "limit" END;
  plan.ef_search := 100;
  plan.iterative_scan := 'off';
  plan.expected := 0;
  plan.way := CASE WHEN by_vector THEN 'exact' ELSE 'none' END;
  IF by_vector AND NOT must_be_exact AND EXISTS (
      SELECT FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_am AS a ON a.oid = c.relam
      WHERE i.indrelid = relation::regclass AND a.amname = 'hnsw' AND i.indisvalid) THEN
    SELECT c.reltuples INTO total FROM pg_catalog.pg_class AS c WHERE c.oid = relation::regclass;
    IF total <= 0 THEN  -- never analysed
      EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT %s) AS bounded', relation,
                     pgmmr.exact_rows() + 1) INTO total;
    END IF;
    passing := total;
    IF condition IS NOT NULL AND total > pgmmr.exact_rows() THEN
      -- A cursor, because it takes one statement and no second one behind a semicolon.
      FOR explained IN EXECUTE format(E'EXPLAIN (FORMAT JSON) SELECT FROM %s AS t WHERE (%s\n)',
                                      relation, condition) LOOP
        passing := (explained->0->'Plan'->>'Plan Rows')::float8;
      END LOOP;
    END IF;
    IF passing > pgmmr.exact_rows() AND passing >= total / 10 THEN
      plan.way := CASE WHEN condition IS NULL THEN 'hnsw' ELSE 'hnsw filtered' END;
      -- Text lies outside the pictures' distribution and needs the wider search. A scan returns
      -- at most ef_search rows, and pgvector takes at most 1000.
      plan.ef_search := least(1000, greatest(CASE WHEN embedding_of_text THEN 200 ELSE 100 END,
                                             plan.candidates + 1));
      IF condition IS NOT NULL OR plan.candidates >= 1000 THEN
        plan.iterative_scan := 'relaxed_order';
      END IF;
      plan.expected := least(plan.candidates, passing / 2);
    END IF;
  END IF;

  IF by_keyword THEN
    plan.all_words := pgmmr.caption_query(found_row.captions, query_text, query_words);
    plan.any_word := pgmmr.any_word(plan.all_words);
  END IF;
  plan.statement := pgmmr.search_statement(
    relation, found_row.columns, condition, by_vector, by_keyword, plan.way = 'exact',
    query_embedding IS NOT NULL);
  RETURN plan;
END $$;
COMMENT ON FUNCTION pgmmr.plan_search IS
  'Chooses how to answer: exact up to 20,000 passing rows or where under 10 % pass, else HNSW.';

CREATE OR REPLACE FUNCTION pgmmr.search(
  collection text,
  query_text text DEFAULT NULL,
  query_embedding halfvec DEFAULT NULL,
  query_words text DEFAULT NULL,
  "where" text DEFAULT NULL,
  "limit" int DEFAULT 10,
  mode text DEFAULT NULL,
  embedding_of_text boolean DEFAULT true,
  exclude_key text DEFAULT NULL,
  vector_weight float8 DEFAULT 1,
  keyword_weight float8 DEFAULT 1,
  rrf_k float8 DEFAULT 60)
RETURNS TABLE (key text, score float8, similarity float8, vector_rank int, keyword_rank int,
               image_uri text, width int, height int, fields json)
LANGUAGE plpgsql ROWS 10
-- What the body sets is undone at its end, because these settings are named here.
SET hnsw.ef_search = 100 SET hnsw.iterative_scan = off
AS $$
DECLARE
  plan pgmmr.search_plan;
  hit record;
  answered boolean;
BEGIN
  FOR attempt IN 1..2 LOOP
    plan := pgmmr.plan_search(collection, query_text, query_embedding, query_words, "where",
                              "limit", mode, embedding_of_text, exclude_key, attempt = 2);
    PERFORM set_config('hnsw.ef_search', plan.ef_search::text, true),
            set_config('hnsw.iterative_scan', plan.iterative_scan, true);
    answered := plan.way NOT LIKE 'hnsw%';
    -- A cursor, because it takes one statement and no second one behind a semicolon.
    FOR hit IN EXECUTE plan.statement
        USING query_embedding, plan.all_words, plan.any_word, exclude_key, "limit",
              plan.candidates, rrf_k, vector_weight, keyword_weight LOOP
      -- The filter's estimate was wrong, or the graph has holes: answer exactly.
      EXIT WHEN hit.vector_found < plan.expected;
      answered := true;
      key := hit.key;
      score := hit.score;
      similarity := hit.similarity;
      vector_rank := hit.vector_rank;
      keyword_rank := hit.keyword_rank;
      image_uri := hit.image_uri;
      width := hit.width;
      height := hit.height;
      fields := hit.fields;
      RETURN NEXT;
    END LOOP;
    EXIT WHEN answered;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgmmr.search IS
'Ranked hits of a collection, best first. Give query_text (words: quotes, -word, or) for keyword search, query_embedding for vector search, both for hybrid.
  query_words        query_text cut into words, for captions in scripts without spaces
  "where"            an SQL condition on the collection''s columns; it runs as written: in a read-only transaction where it comes from others
  mode               vector, keyword or hybrid; by default what the arguments allow
  embedding_of_text  false for the embedding of a picture: a narrower, quicker index search does
  exclude_key        a row to leave out
  vector_weight, keyword_weight, rrf_k   of the fusion: score = vector_weight/(rrf_k + vector_rank) + keyword_weight/(rrf_k + keyword_rank)
score is that sum for hybrid, the cosine for vector, ts_rank_cd for keyword search; similarity is the cosine.
  SELECT key, score, fields->>''title'' FROM pgmmr.search(''demo'', ''red apple'');';

CREATE OR REPLACE FUNCTION pgmmr.search_like(
  collection text, "like" text, "where" text DEFAULT NULL, "limit" int DEFAULT 10)
RETURNS TABLE (key text, score float8, similarity float8, vector_rank int, keyword_rank int,
               image_uri text, width int, height int, fields json)
LANGUAGE plpgsql ROWS 10 AS $$
DECLARE
  relation text := (SELECT format('%I.%I', c.table_schema, c.name) FROM pgmmr.collection AS c
                    WHERE c.name = search_like.collection);
  found_rows bigint;
BEGIN
  IF relation IS NULL THEN
    RAISE EXCEPTION 'no collection "%"', collection USING ERRCODE = 'undefined_object';
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT s.* FROM %s AS t, pgmmr.search($1, query_embedding => t.embedding, "where" => $3, '
    '"limit" => $4, embedding_of_text => false, exclude_key => $2) AS s WHERE t.key = $2', relation)
    USING collection, "like", search_like."where", search_like."limit";
  IF NOT FOUND THEN
    EXECUTE format('SELECT FROM %s AS t WHERE t.key = $1', relation) USING "like";
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    IF found_rows = 0 THEN
      RAISE EXCEPTION 'collection % has no row "%"', collection, "like" USING ERRCODE = 'no_data_found';
    END IF;
  END IF;
END $$;
COMMENT ON FUNCTION pgmmr.search_like IS
  'Rows whose pictures look like the one of a row: SELECT * FROM pgmmr.search_like(''demo'', ''noto/1F34E'').';

CREATE OR REPLACE FUNCTION pgmmr.explain_search(
  collection text,
  query_text text DEFAULT NULL,
  query_embedding halfvec DEFAULT NULL,
  query_words text DEFAULT NULL,
  "where" text DEFAULT NULL,
  "limit" int DEFAULT 10,
  mode text DEFAULT NULL,
  embedding_of_text boolean DEFAULT true,
  exclude_key text DEFAULT NULL,
  "analyze" boolean DEFAULT false)
RETURNS SETOF text LANGUAGE plpgsql
SET hnsw.ef_search = 100 SET hnsw.iterative_scan = off
AS $$
DECLARE
  plan pgmmr.search_plan := pgmmr.plan_search(collection, query_text, query_embedding, query_words,
                              "where", "limit", mode, embedding_of_text, exclude_key, false);
  line text;
BEGIN
  PERFORM set_config('hnsw.ef_search', plan.ef_search::text, true),
          set_config('hnsw.iterative_scan', plan.iterative_scan, true);
  RETURN NEXT format('way: %s, candidates: %s, hnsw.ef_search: %s, hnsw.iterative_scan: %s',
                     plan.way, plan.candidates, plan.ef_search, plan.iterative_scan);
  FOR line IN EXECUTE format('EXPLAIN (%s) %s', CASE WHEN "analyze" THEN 'ANALYZE' ELSE 'COSTS' END,
                             plan.statement)
      USING query_embedding, plan.all_words, plan.any_word, exclude_key, "limit",
            plan.candidates, 60::float8, 1::float8, 1::float8 LOOP
    RETURN NEXT line;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgmmr.explain_search IS
  'EXPLAIN of the statement that pgmmr.search runs for the same arguments.';
