-- A bulk job has a row among the batches, too, which grows as it is fed: its predictions are found and shown together.
GRANT UPDATE (size, cost, first_id, last_id) ON batches TO ml_service_app;
