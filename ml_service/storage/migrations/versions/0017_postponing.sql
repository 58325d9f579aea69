-- A worker whose model asks for a later attempt writes when to send the prediction again.
GRANT SELECT (prediction_id, send_after), INSERT, UPDATE (send_after) ON outbox TO ml_service_worker;
