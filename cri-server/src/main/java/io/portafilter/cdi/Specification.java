package io.portafilter.cdi;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A file that describes the devices of one kind.
 *
 * @param file where it is and what it says
 * @param kind vendor and class
 * @param edits that each of its devices brings along
 * @param devices what each changes of a container, by name, in the file's order
 */
record Specification(SpecificationFile file, String kind, ContainerEdits edits, Map<String, ContainerEdits> devices) {
    Specification {
        devices = Collections.unmodifiableMap(new LinkedHashMap<>(devices));
    }
}
