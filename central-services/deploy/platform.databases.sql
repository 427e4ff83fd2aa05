-- A database for each service: none reads the tables of another.
CREATE DATABASE central_auth;
CREATE DATABASE central_audit;
CREATE DATABASE central_witness;
-- The keys of people's data, apart from the events: in production on another server, or at least in no backup of this one.
CREATE DATABASE central_audit_keys;
