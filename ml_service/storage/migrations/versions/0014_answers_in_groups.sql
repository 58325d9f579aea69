-- Asked for in a group by the person whose chat this is: the answer goes there.
ALTER TABLE deliveries ADD COLUMN group_id bigint;
