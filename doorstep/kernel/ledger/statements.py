"""SQL that posts transfers, as parts that other statements can take in.

A statement that wants to move money in its own round trip defines a common table expression ``new_transfers`` with the
columns of :data:`TRANSFER_COLUMNS` and appends :data:`POST`. Every connection adds to its own slot of an unbounded account.
"""

TRANSFER_COLUMNS = """
  id, batch, debit_id, credit_id, amount_fen, kind, pending_id, released_fen, expires_at, code, subject_kind, subject_id, at
"""
TRANSFER_RECORD = (
    "id uuid, batch uuid, debit_id uuid, credit_id uuid, amount_fen bigint, kind text, pending_id uuid, "
    "released_fen bigint, expires_at timestamptz, code text, subject_kind text, subject_id uuid, at timestamptz"
)

# Rows are locked in key order before they are changed, so that two batches never wait for each other in a ring.
POST = f"""
posted_transfers AS (
  INSERT INTO ledger_transfer ({TRANSFER_COLUMNS})
  SELECT {TRANSFER_COLUMNS} FROM new_transfers RETURNING id
),
movements AS (
  SELECT account_id, sum(dp) AS dp, sum(cp) AS cp, sum(dq) AS dq, sum(cq) AS cq FROM (
    SELECT debit_id AS account_id,
           CASE WHEN kind IN ('posted', 'post') THEN amount_fen ELSE 0 END AS dp, 0 AS cp,
           CASE kind WHEN 'pending' THEN amount_fen ELSE -released_fen END AS dq, 0 AS cq FROM new_transfers
    UNION ALL
    SELECT credit_id, 0, CASE WHEN kind IN ('posted', 'post') THEN amount_fen ELSE 0 END,
           0, CASE kind WHEN 'pending' THEN amount_fen ELSE -released_fen END FROM new_transfers
  ) AS sides GROUP BY account_id
),
held_balances AS (
  SELECT b.id, m.dp, m.cp, m.dq, m.cq FROM ledger_balance b JOIN movements m ON m.account_id = b.account_id
  WHERE b.slot = CASE b.bound WHEN 'none' THEN mod(pg_backend_pid(), 16) ELSE 0 END
  ORDER BY b.id FOR UPDATE OF b
),
moved_balances AS (
  UPDATE ledger_balance b SET
    debits_posted = b.debits_posted + h.dp, credits_posted = b.credits_posted + h.cp,
    debits_pending = b.debits_pending + h.dq, credits_pending = b.credits_pending + h.cq
  FROM held_balances h WHERE b.id = h.id RETURNING b.account_id
)
"""  # noqa: S608
