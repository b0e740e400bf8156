CREATE TABLE assistants (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_assistants_order ON assistants (at, seq);
CREATE TABLE container_files (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	container_id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	file_id VARCHAR(64) NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_container_files_order ON container_files (container_id, at, seq);
CREATE TABLE containers (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	used_at BIGINT NOT NULL, 
	idle_ns BIGINT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_containers_order ON containers (at, seq);
CREATE INDEX ix_containers_status ON containers (status);
CREATE TABLE conversation_items (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	conversation_id VARCHAR(64) NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_conversation_items_order ON conversation_items (conversation_id, at, seq);
CREATE TABLE conversations (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_conversations_order ON conversations (at, seq);
CREATE TABLE files (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	purpose VARCHAR(64) NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_files_order ON files (at, seq);
CREATE INDEX ix_files_purpose ON files (purpose);
CREATE TABLE messages (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	thread_id VARCHAR(64) NOT NULL, 
	run_id VARCHAR(64), 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_messages_order ON messages (thread_id, at, seq);
CREATE INDEX ix_messages_run_id ON messages (run_id);
CREATE TABLE responses (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	owner VARCHAR(64), 
	previous_id VARCHAR(64), 
	input JSON NOT NULL, 
	events JSON, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_responses_order ON responses (at, seq);
CREATE INDEX ix_responses_status ON responses (status);
CREATE TABLE runs (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	thread_id VARCHAR(64) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	owner VARCHAR(64), 
	context JSON NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_runs_order ON runs (thread_id, at, seq);
CREATE INDEX ix_runs_status ON runs (status);
CREATE TABLE session_files (
	thread_id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	file_id VARCHAR(64) NOT NULL, 
	given_id VARCHAR(64), 
	bytes BIGINT NOT NULL, 
	modified_ns BIGINT NOT NULL, 
	PRIMARY KEY (thread_id, name)
);
CREATE TABLE sessions (
	thread_id VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_used_at BIGINT NOT NULL, 
	PRIMARY KEY (thread_id)
);
CREATE TABLE steps (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	thread_id VARCHAR(64), 
	reply INTEGER NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_steps_order ON steps (run_id, at, seq);
CREATE INDEX ix_steps_thread_id ON steps (thread_id);
CREATE TABLE threads (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_threads_order ON threads (at, seq);
CREATE TABLE vector_store_batches (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	vector_store_id VARCHAR(64) NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_vector_store_batches_order ON vector_store_batches (at, seq);
CREATE TABLE vector_store_files (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	vector_store_id VARCHAR(64) NOT NULL, 
	batch_id VARCHAR(64), 
	status VARCHAR(16) NOT NULL, 
	bytes BIGINT NOT NULL, 
	PRIMARY KEY (seq)
);
CREATE INDEX ix_vector_store_files_batch_id ON vector_store_files (batch_id);
CREATE UNIQUE INDEX ix_vector_store_files_file ON vector_store_files (vector_store_id, id);
CREATE INDEX ix_vector_store_files_id ON vector_store_files (id);
CREATE INDEX ix_vector_store_files_order ON vector_store_files (vector_store_id, at, seq);
CREATE TABLE vector_stores (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	body JSON NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX ix_vector_stores_order ON vector_stores (at, seq);
