import * as CDX from "@cyclonedx/cyclonedx-library";
import type { Manifest } from "../model/generated.js";

/**
 * The bill of materials of an image: CycloneDX 1.6 JSON, every package with version, digest and package URL. It
 * contains no serial number, and its time is the time of the image. So the same image gives the same file.
 */
export function sbom(manifest: Omit<Manifest, "artifacts">): string {
  const bom = new CDX.Models.Bom();
  bom.metadata.timestamp = new Date(manifest.sourceDateEpoch * 1000);
  bom.metadata.component = new CDX.Models.Component(CDX.Enums.ComponentType.OperatingSystem, manifest.profile, {
    bomRef: "image",
    version: manifest.inputs.digest.slice(0, 16),
  });
  bom.metadata.tools.components.add(new CDX.Models.Component(CDX.Enums.ComponentType.Application, "hal", { version: manifest.hal }));
  for (const entry of manifest.packages) {
    const component = new CDX.Models.Component(CDX.Enums.ComponentType.Library, entry.name, {
      bomRef: `${entry.name}@${entry.version}`,
      version: entry.version,
    });
    component.purl = packageUrl(manifest.backend, entry.name, entry.version);
    if (entry.sha256 !== undefined) component.hashes.set(CDX.Enums.HashAlgorithm["SHA-256"], entry.sha256);
    if (entry.license !== undefined && entry.license !== "") component.licenses.add(new CDX.Models.NamedLicense(entry.license));
    if (entry.source !== undefined) component.properties.add(new CDX.Models.Property("hal:source", entry.source));
    bom.components.add(component);
  }
  const serializer = new CDX.Serialize.JsonSerializer(new CDX.Serialize.JSON.Normalize.Factory(CDX.Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

/** Package URL (purl specification, types deb and generic). */
function packageUrl(backend: Manifest["backend"], name: string, version: string): string {
  const encoded = encodeURIComponent(version);
  return backend === "debian"
    ? `pkg:deb/debian/${encodeURIComponent(name)}@${encoded}`
    : `pkg:generic/${encodeURIComponent(name)}@${encoded}`;
}
