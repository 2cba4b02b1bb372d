import { useId } from "react";
import type { Tenant } from "../api/types";
import { usePlace } from "../navigation/navigation";
import { HOME } from "../navigation/places";
import { useParts } from "../parts";

interface TenantChooserProps {
  readonly tenants: readonly Tenant[];
  readonly chosen: Tenant;
}

export function TenantChooser({ tenants, chosen }: TenantChooserProps) {
  const { navigation } = useParts();
  const { page } = usePlace();
  const id = useId();
  if (tenants.length < 2) return null;
  return (
    <div className="chooser">
      <label htmlFor={id}>Tenant</label>
      <select
        id={id}
        className="select"
        value={chosen.id}
        onChange={(event) => navigation.go({ ...HOME, page, tenantId: event.target.value })}
      >
        {tenants.map(({ id: tenantId, name }) => (
          <option key={tenantId} value={tenantId}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
