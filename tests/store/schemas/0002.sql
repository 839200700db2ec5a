-- Schema 0002: a table for what exercises keep.
CREATE TABLE runs (
	id VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	status VARCHAR NOT NULL,
	parameters JSON NOT NULL,
	seed INTEGER NOT NULL,
	data_digest VARCHAR NOT NULL,
	fingerprints JSON NOT NULL,
	owner JSON NOT NULL,
	progress DOUBLE NOT NULL,
	created VARCHAR NOT NULL,
	finished VARCHAR,
	error VARCHAR,
	results JSON NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE events (
	id INTEGER NOT NULL,
	run_id VARCHAR NOT NULL,
	content JSON NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE checkpoints (
	run_id VARCHAR NOT NULL,
	"key" VARCHAR NOT NULL,
	artefact VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	PRIMARY KEY (run_id, "key"),
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE models (
	id VARCHAR NOT NULL,
	run_id VARCHAR NOT NULL,
	created VARCHAR NOT NULL,
	scores JSON NOT NULL,
	artefact VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	n_bytes INTEGER NOT NULL,
	promoted BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE progress (
	id INTEGER NOT NULL,
	exercise VARCHAR NOT NULL,
	kind VARCHAR NOT NULL,
	content JSON NOT NULL,
	created VARCHAR NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
CREATE INDEX ix_runs_status ON runs (status);
CREATE INDEX ix_events_run_id ON events (run_id);
CREATE INDEX ix_progress_exercise ON progress (exercise);
INSERT INTO alembic_version VALUES('0002');
INSERT INTO runs VALUES('20261125-141630-9324','training','ensemble','finished','{"engine": "ray", "recipes": ["hgb-small"]}',2013,'abc','[{"digest": "b7867cced66c"}]','{"pid": 461, "created": 1795616188.55}',1.0,'2026-11-25T14:16:30.047+00:00','2026-11-25T14:16:30.099+00:00',NULL,'{"roc_auc": 0.75, "nan": null}');
INSERT INTO runs VALUES('20261125-141630-7283','benchmark','speedup','running','{}',1,'abc','[]','{"pid": 461, "created": 1795616188.55}',0.0,'2026-11-25T14:16:30.101+00:00',NULL,NULL,'{}');
INSERT INTO events (run_id, content) VALUES('20261125-141630-9324','{"task": "hgb-small#1/1", "attempt": 1, "finished": 3.5}');
INSERT INTO events (run_id, content) VALUES('20261125-141630-9324','{"task": "a\u00f1o", "attempt": 2, "error": "it''s lost"}');
INSERT INTO checkpoints VALUES('20261125-141630-9324','hgb-small#1/1','6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b','6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b');
INSERT INTO models VALUES('m-0123abcd-9324','20261125-141630-9324','2026-11-25T14:16:30.100+00:00','{"roc_auc": 0.75}','ensemble.skops','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',1234,TRUE);
INSERT INTO progress (exercise, kind, content, created) VALUES('1.1','check','{"state": "right", "reason": "right"}','2026-11-25T14:16:31.000+00:00');
