/** The CRI services: messages to requests, life cycles, errors to gRPC statuses. */
@NullMarked
package io.portafilter.cri;

import org.jspecify.annotations.NullMarked;
