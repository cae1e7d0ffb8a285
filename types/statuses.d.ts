// The module js/statuses.js, which the server generates from the status table (src/issue_tracker/status.py).

export interface StatusRow {
  /** The stored value: `in_progress`. */
  value: string;
  /** The name that people read: `In progress`. */
  label: string;
  /** Whether someone still has to act. */
  open: boolean;
  /** The id of the drawing in the page's sprite. */
  symbol: string;
  /** The CSS class of a cell of the matrix in this status. */
  cell: string;
  /** The key that sets this status. */
  key: string;
}

/** All statuses, in the order of display. */
export const STATUSES: readonly StatusRow[];
