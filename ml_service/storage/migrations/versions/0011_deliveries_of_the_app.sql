-- The app writes deliveries with the requests, to the chats joined with the account that pays.
GRANT INSERT ON deliveries TO ml_service_app;
GRANT SELECT (chat_id, user_id) ON telegram_chats TO ml_service_app;
