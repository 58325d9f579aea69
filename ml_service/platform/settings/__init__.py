"""Settings by service (`app`, `worker`, `bot`; `common` for all), and where they are read from (`files`, `reading`).

Names carry their units. What counts, from most to least: the environment, `.env` in the project's folder,
`services/<service>/.env`, `services/app/.env`, then generated secrets and the defaults. Both engines and every service
use this one reader.
"""
