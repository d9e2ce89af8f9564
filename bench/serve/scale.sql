-- A collection `scale` of 200,000 rows out of the sample collection `demo`, for bench/serve/load.py -c scale:
--
--   pgmmr db psql -f bench/serve/scale.sql
--
-- Each row has the words of one drawing, and an embedding between it and another one. No pictures.
\set ON_ERROR_STOP on
\timing on
DROP TABLE IF EXISTS pgmmr.scale, pgmmr.scale_media;
DELETE FROM pgmmr.collection WHERE name = 'scale';
CREATE TABLE pgmmr.scale (LIKE pgmmr.demo INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE)
  WITH (toast_tuple_target = 8160);
CREATE TABLE pgmmr.scale_media (LIKE pgmmr.demo_media INCLUDING ALL);

SELECT setseed(0.5);
WITH numbered AS MATERIALIZED (SELECT row_number() OVER (ORDER BY key) - 1 AS n, d.* FROM pgmmr.demo AS d),
  total AS (SELECT count(*)::int AS rows FROM numbered),
  pairs AS MATERIALIZED (
    SELECT i, i % rows AS one, (random() * (rows - 1))::int AS other FROM total, generate_series(0, 199999) AS i)
INSERT INTO pgmmr.scale (key, key_, name_en, name_zh, text_en, text_zh, "group", style, split, image_uri, width, height,
  caption_words, embedding)
SELECT a.key || '/' || p.i, a.key_, a.name_en, a.name_zh, a.text_en, a.text_zh, a."group", a.style, a.split,
  a.image_uri, a.width, a.height, a.caption_words,
  l2_normalize(a.embedding::vector + a.embedding::vector + b.embedding::vector)::halfvec
FROM pairs AS p JOIN numbered AS a ON a.n = p.one JOIN numbered AS b ON b.n = p.other;

SET maintenance_work_mem = '1GB';
ALTER TABLE pgmmr.scale ADD PRIMARY KEY (key);
CREATE INDEX ON pgmmr.scale USING gin (caption_tsv);
SET max_parallel_maintenance_workers = 0;
CREATE INDEX ON pgmmr.scale USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 100);
VACUUM ANALYZE pgmmr.scale;
INSERT INTO pgmmr.collection
SELECT 'scale', table_schema, model_id, model_revision, model_fingerprint, dim, columns, captions, 'bench', stores_images
FROM pgmmr.collection WHERE name = 'demo';
