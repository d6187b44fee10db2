// The embedded database: PGlite with its data in a folder, prepared like a hosted Supabase project, and migrated.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pg_trgm } from "@electric-sql/pglite/contrib/pg_trgm";
import { ensureHistoryTable } from "@supabase/lite";
import { createPgliteConnection } from "@supabase/lite/pglite";
import { PROJECT_SQL } from "./project.mjs";

const TIMESTAMPTZ_OID = 1184;
const MIGRATION_NAME = /^(\d{14})_(\w+)\.sql$/;
const START_AGAIN = "run `rm -r .local/supabase`, which deletes the local data, and start again";

// Supabase's Python client accepts only RFC 3339. Edit the text instead of parsing it: Date would lose microseconds.
const toRfc3339 = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");

/**
 * Open the database in `dataDir` (created when missing) and apply the migrations that are not applied yet.
 *
 * @returns Lite's connection; its `driver` is the PGlite instance
 * @throws Error when a migration has an invalid name, fails, is older than an applied one, was edited after it had been
 *   applied, or was applied and no longer exists
 */
export async function openDatabase({ dataDir, migrationsDir }) {
  const connection = await createPgliteConnection({
    url: dataDir,
    pgliteOptions: { extensions: { pg_trgm }, parsers: { [TIMESTAMPTZ_OID]: toRfc3339 } },
  });
  keepOurGrants(connection);
  await connection.driver.exec("set time zone 'UTC'");
  for (const script of PROJECT_SQL) await connection.driver.exec(script);
  await ensureHistoryTable(connection);
  await migrate(connection.driver, migrationsDir);
  return connection;
}

// On its first request Lite grants every role access to every table of each schema that has row level security. This
// would undo the migrations' revokes. Lite does it once and records that in this private field, so we set the field.
function keepOurGrants(connection) {
  if (connection.rlsState !== "unknown") throw new Error("this version of @supabase/lite has no rlsState field that we can set");
  connection.rlsState = "active";
}

async function migrate(database, migrationsDir) {
  const { rows } = await database.query("select version, statements from supabase_migrations.schema_migrations");
  const applied = new Map(rows.map(({ version, statements }) => [version, statements[0]]));
  const last = [...applied.keys()].sort().at(-1);
  const migrations = await listMigrations(migrationsDir);
  refuseUnknown(applied.keys(), migrations);
  for (const migration of migrations) {
    const { file, version, text } = migration;
    if (!applied.has(version)) {
      refuseOlder(migration, last);
      await applyMigration(database, migration);
    } else if (applied.get(version) !== text) {
      throw new Error(`${file} was edited after it had been applied: undo the edit, or ${START_AGAIN}`);
    }
  }
}

async function listMigrations(migrationsDir) {
  const files = (await readdir(migrationsDir)).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(files.map(async (file) => {
    const [, version, name] = MIGRATION_NAME.exec(file) ?? [];
    if (!version) throw new Error(`${file}: the name of a migration is 14 digits, _, and letters, digits or _`);
    return { file, version, name, text: await readFile(join(migrationsDir, file), "utf8") };
  }));
}

// A database made by removed migrations, such as those before the baseline, cannot be upgraded.
function refuseUnknown(applied, migrations) {
  const versions = new Set(migrations.map(({ version }) => version));
  const unknown = [...applied].filter((version) => !versions.has(version));
  if (unknown.length > 0) {
    throw new Error(
      `the local database was made by migrations that no longer exist (${unknown.join(", ")}) and cannot be upgraded: ` +
        START_AGAIN,
    );
  }
}

// A new database applies it before the later files, so the result could differ.
function refuseOlder({ file, version }, last) {
  if (version < last) throw new Error(`${file} is older than the applied migration ${last}: give it a newer timestamp`);
}

async function applyMigration(database, { version, name, text }) {
  const record = "insert into supabase_migrations.schema_migrations (version, name, statements) values ($1, $2, $3)";
  try {
    await database.transaction(async (transaction) => {
      await transaction.exec(text);
      await transaction.query(record, [version, name, [text]]);
    });
  } catch (error) {
    throw new Error(`migration ${version}_${name}: ${error.message}`, { cause: error });
  }
}
