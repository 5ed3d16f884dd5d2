#!/bin/bash
# SPDX-License-Identifier: MIT
# For each name in GANTRY_DATABASES: a role that may log in with GANTRY_PASSWORD, a database of that name that it owns, and in it the schema
# "pacs". The official PostgreSQL image runs this once, when its data folder is empty; by hand, with psql's own variables:
#   GANTRY_DATABASES=gantry GANTRY_PASSWORD=… PGHOST=… packaging/docker/postgres/databases.sh
set -euo pipefail
: "${GANTRY_PASSWORD:?the password of the roles}"
for name in ${GANTRY_DATABASES:-gantry}; do
  psql -X -q -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres -v name="$name" <<'SQL'
\getenv password GANTRY_PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ENCODING 'UTF8';
\connect :"name"
CREATE SCHEMA pacs AUTHORIZATION :"name";
SQL
done
