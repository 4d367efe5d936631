-- Run once, when the data folder of PostgreSQL is made. The database of the product is made by POSTGRES_DB.
CREATE DATABASE prefect;
