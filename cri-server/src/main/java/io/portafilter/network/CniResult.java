package io.portafilter.network;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a chain of plugins has set up.
 *
 * @param fields as the last plugin wrote it
 */
record CniResult(Map<String, Object> fields) {

    /** The answer of a plugin, which may leave out the version that it was asked in. */
    static CniResult of(Map<String, Object> answer, CniVersion version) {
        if (answer.containsKey("cniVersion")) {
            return new CniResult(answer);
        }
        Map<String, Object> whole = new LinkedHashMap<>();
        whole.put("cniVersion", version.text());
        whole.putAll(answer);
        return new CniResult(whole);
    }

    /**
     * The pod's addresses: those of the interface, or of none in particular. The first one for IPv4 comes first, as with
     * containerd; the others keep their order.
     */
    List<String> addresses(String interfaceName) {
        List<Map<String, Object>> interfaces = CniJson.objectsAt(fields, "interfaces");
        List<String> addresses = new ArrayList<>();
        for (Map<String, Object> ip : CniJson.objectsAt(fields, "ips")) {
            if (belongs(ip.get("interface"), interfaces, interfaceName)) {
                String address = CniJson.textAt(ip, "address");
                int slash = address.indexOf('/');
                String bare = slash < 0 ? address : address.substring(0, slash);
                if (!bare.isEmpty() && !addresses.contains(bare)) {
                    addresses.add(bare);
                }
            }
        }
        for (int i = 0; i < addresses.size(); i++) {
            if (!addresses.get(i).contains(":")) {
                addresses.addFirst(addresses.remove(i));
                break;
            }
        }
        return List.copyOf(addresses);
    }

    private static boolean belongs(
            @org.jspecify.annotations.Nullable Object index, List<Map<String, Object>> interfaces, String name) {
        if (!(index instanceof BigInteger number) || number.signum() < 0) {
            return true;
        }
        if (number.compareTo(BigInteger.valueOf(interfaces.size())) >= 0) {
            return false;
        }
        Map<String, Object> named = interfaces.get(number.intValue());
        return CniJson.textAt(named, "name").equals(name)
                && !CniJson.textAt(named, "sandbox").isEmpty();
    }
}
