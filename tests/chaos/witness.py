"""What the database itself saw, written by its own triggers: a step that ends well twice, or an end that is taken back, stays on record."""

from __future__ import annotations

from django.db import connection

SQLITE = """
CREATE TABLE IF NOT EXISTS chaos_ends (step TEXT NOT NULL, attempt INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS chaos_end AFTER UPDATE OF state ON pipelines_steprun
  WHEN NEW.state = 'succeeded' AND OLD.state <> 'succeeded'
  BEGIN INSERT INTO chaos_ends VALUES (NEW.id, NEW.attempt, NEW.state); END;
CREATE TRIGGER IF NOT EXISTS chaos_undone AFTER UPDATE OF state ON pipelines_steprun
  WHEN OLD.state = 'succeeded' AND NEW.state <> 'succeeded'
  BEGIN INSERT INTO chaos_ends VALUES (NEW.id, NEW.attempt, 'undone'); END;
"""
POSTGRES = """
CREATE TABLE IF NOT EXISTS chaos_ends (step TEXT NOT NULL, attempt INTEGER NOT NULL, state TEXT NOT NULL);
CREATE OR REPLACE FUNCTION chaos_see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state = 'succeeded' AND OLD.state <> 'succeeded' THEN
    INSERT INTO chaos_ends VALUES (NEW.id::text, NEW.attempt, NEW.state);
  ELSIF OLD.state = 'succeeded' AND NEW.state <> 'succeeded' THEN
    INSERT INTO chaos_ends VALUES (NEW.id::text, NEW.attempt, 'undone');
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER chaos_see AFTER UPDATE ON pipelines_steprun FOR EACH ROW EXECUTE FUNCTION chaos_see();
"""


def install() -> None:
    """Put the triggers into the database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            connection.connection.executescript(SQLITE)
        else:
            cursor.execute(POSTGRES)


def doubles() -> list[str]:
    """Steps that ended well more than once, or whose good end was taken back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT step, COUNT(*) FROM chaos_ends GROUP BY step HAVING COUNT(*) > 1 OR MAX(state) = 'undone'"
        )
        return [f"step {step} ended {count} times" for step, count in cursor.fetchall()]


def ends() -> int:
    """How many good ends were seen: with none, the triggers saw nothing and prove nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM chaos_ends")
        return int(cursor.fetchone()[0])
