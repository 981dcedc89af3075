-- Every scan into a transfer has a number of its own, as in a count: sent twice by a bad connection, it counts once.
CREATE TABLE stock_transfer_scans (
    ref         uuid        PRIMARY KEY,
    transfer_id bigint      NOT NULL REFERENCES stock_transfers ON DELETE CASCADE,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX stock_transfer_scans_of_transfer ON stock_transfer_scans (transfer_id);
