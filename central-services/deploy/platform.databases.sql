-- A database for each service: none reads the tables of another.
CREATE DATABASE central_auth;
