export function openTill() {}
