-- The catalogue of collections and the ledger of their ingests.

CREATE TABLE pgmmr.collection (
  name              text PRIMARY KEY,
  table_schema      text NOT NULL,
  model_id          text NOT NULL,
  model_revision    text NOT NULL,
  model_fingerprint text NOT NULL,
  dim               int  NOT NULL CHECK (dim > 0),
  columns           jsonb NOT NULL,
  captions          jsonb NOT NULL,
  source            text NOT NULL,
  stores_images     boolean NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pgmmr.collection IS
  'One row a collection: the table NAME in table_schema holds its pictures. columns and captions are lists of {name, type} and {name, config}.';

CREATE TABLE pgmmr.chunk (
  collection text NOT NULL REFERENCES pgmmr.collection ON DELETE CASCADE,
  source     text NOT NULL,
  id         text NOT NULL,
  position   bigint GENERATED ALWAYS AS IDENTITY,
  payload    text NOT NULL,
  rows       bigint NOT NULL,
  stored     bigint,
  rejected   bigint,
  done_at    timestamptz,
  PRIMARY KEY (collection, source, id)
);
CREATE INDEX chunk_open ON pgmmr.chunk (collection, source, position) WHERE done_at IS NULL;
COMMENT ON TABLE pgmmr.chunk IS
  'The ledger: a source cut into chunks. A chunk is claimed with FOR UPDATE SKIP LOCKED; its rows, its rejects and its done_at commit together.';

CREATE TABLE pgmmr.reject (
  collection text NOT NULL,
  source     text NOT NULL,
  key        text NOT NULL,
  chunk      text NOT NULL,
  reason     text NOT NULL,
  at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (collection, source, key),
  FOREIGN KEY (collection, source, chunk) REFERENCES pgmmr.chunk ON DELETE CASCADE
);
CREATE INDEX reject_chunk ON pgmmr.reject (collection, source, chunk);
COMMENT ON TABLE pgmmr.reject IS
  'Rows of a source that could not become pictures, with the reason.';

-- The text of a list of captions. array_to_string is only STABLE, because of element types whose
-- text depends on settings; for text it depends on nothing, and a generated column needs that word.
CREATE FUNCTION pgmmr.joined(captions text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$ SELECT pg_catalog.array_to_string(captions, ' ') $$;
COMMENT ON FUNCTION pgmmr.joined IS 'A list of captions as one text.';
