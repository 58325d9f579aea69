-- Each prediction changes a balance. With 100,000 users the default waits for 20,000 dead versions, which the next ones step over.
ALTER TABLE users SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
-- Half of a page is for the versions that claims write, a whole batch at once (HOT); the finished row, with its output,
-- then fills what is left by the queued one. Measured against 80: docs/performance.md.
-- Clearing reads all indexes, sampling reads 30,000 pages: of millions of rows that must not come with each hundredth.
-- Dead index entries are stepped over once, and plans are by index whatever a sample finds (database.INDEXES_ONLY).
ALTER TABLE predictions SET (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1
);
