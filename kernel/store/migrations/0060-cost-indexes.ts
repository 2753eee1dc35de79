import type { Migration } from '../migration.ts'

/** Each call to a model leaves a row: nothing asks for costs by model, and most have no turn. */
export const costIndexesMigration: Migration = {
  version: 60,
  name: 'cost indexes',
  up: (db) =>
    db.exec(`
      DROP INDEX inference_costs_by_model;
      DROP INDEX inference_costs_by_turn;
      CREATE INDEX inference_costs_by_turn ON inference_costs (turn_id) WHERE turn_id IS NOT NULL;
    `),
}
