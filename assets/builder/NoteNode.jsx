// A note on the canvas: plain text beside the boxes, no part of the pipeline.
import { memo, useContext, useEffect, useRef, useState } from "react";
import { Board } from "./board.js";

export const NoteNode = memo(function NoteNode({ id, data, selected }) {
  const board = useContext(Board);
  const [text, setText] = useState(data.text);
  const field = useRef(null);
  useEffect(() => setText(data.text), [data.text]);
  useEffect(() => { if (data.fresh) field.current?.focus(); }, [data.fresh]);
  return (
    <div className={`cnote${selected ? " is-selected" : ""}`}>
      <textarea ref={field} className="nodrag nowheel" aria-label="Note" placeholder="A note for the team" maxLength={4000} readOnly={!board.canEdit} value={text}
        onChange={(event) => setText(event.target.value)} onBlur={() => board.editNote(id.slice(5), text)} onKeyDown={(event) => event.stopPropagation()} />
    </div>
  );
});
