-- A database for each service: none reads the tables of another.
CREATE DATABASE central_auth;
CREATE DATABASE central_audit;
CREATE DATABASE central_witness;
