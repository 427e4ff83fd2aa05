"""The financial ledger: double-entry accounts and transfers with the semantics of TigerBeetle."""
