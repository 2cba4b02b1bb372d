import type { Evidence } from "../../api/types";
import { useAnswer } from "../../lists/useAnswer";
import { useParts } from "../../parts";

export function EvidenceBox({ evidence }: { evidence: readonly Evidence[] }) {
  return (
    <div className="evidence">
      <p className="evidence__title">Quarantined: it may be a copy of another device.</p>
      {evidence.length > 0 && (
        <dl className="evidence__facts">
          {evidence.map(({ name, value }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi>{value}</bdi>
                {/^dev_\w+$/.test(value) && <OtherDevice id={value} />}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

/** What the device is called that the evidence names. */
function OtherDevice({ id }: { id: string }) {
  const { session } = useParts();
  const { result } = useAnswer(id, (signal) => session.api.devices.show(id, signal));
  if (!result?.ok) return null;
  return (
    <>
      {": "}
      <bdi>{result.value.name}</bdi>, {result.value.state}
    </>
  );
}
