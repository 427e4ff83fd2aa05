"""What the database went through: one file for each step, written by `db revision`."""
