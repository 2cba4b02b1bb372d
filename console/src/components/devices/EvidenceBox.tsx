import type { Evidence } from "../../api/types";

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
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
