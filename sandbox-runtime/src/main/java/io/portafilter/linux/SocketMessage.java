package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.SCM_RIGHTS;
import static io.portafilter.linux.LinuxConstants.SOL_SOCKET;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.ArrayList;
import java.util.List;

/**
 * A struct msghdr with one piece of data and room for descriptors, cmsg(3).
 *
 * @param header the msghdr: address of a name 0, its length 8, array of pieces 16, their number 24, control data 32, its
 *     length 40, flags 48
 * @param data the bytes
 * @param control one struct cmsghdr: length 0, level 8, type 12, descriptors from 16
 */
record SocketMessage(Call.Area header, Call.Area data, Call.Area control) {

    private static final int HEADER_BYTES = 56;
    private static final int CONTROL_HEADER_BYTES = 16;

    static SocketMessage reserve(Call call, int dataBytes, int descriptors) {
        Call.Area header = call.reserve(HEADER_BYTES);
        Call.Area piece = call.reserve(16);
        Call.Area data = call.reserve(dataBytes);
        Call.Area control = call.reserve(CONTROL_HEADER_BYTES + ((descriptors * Integer.BYTES + 7) & ~7));
        piece.putLong(0, data.address());
        piece.putLong(8, dataBytes);
        header.putLong(16, piece.address());
        header.putLong(24, 1);
        if (descriptors > 0) {
            header.putLong(32, control.address());
            header.putLong(40, control.length());
        }
        return new SocketMessage(header, data, control);
    }

    void put(byte[] bytes, List<Fd> descriptors) {
        data.bytes().put(data.offset(), bytes);
        if (descriptors.isEmpty()) {
            return;
        }
        control.putLong(0, CONTROL_HEADER_BYTES + (long) descriptors.size() * Integer.BYTES);
        control.putInt(8, SOL_SOCKET);
        control.putInt(12, SCM_RIGHTS);
        for (int i = 0; i < descriptors.size(); i++) {
            control.putInt(
                    CONTROL_HEADER_BYTES + i * Integer.BYTES, descriptors.get(i).number());
        }
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the message closes them
    ReceivedMessage take(int length) {
        List<Fd> descriptors = new ArrayList<>();
        boolean isRights = header.getLong(40) >= CONTROL_HEADER_BYTES
                && control.getInt(8) == SOL_SOCKET
                && control.getInt(12) == SCM_RIGHTS;
        long end = isRights ? control.getLong(0) : 0;
        for (int at = CONTROL_HEADER_BYTES; at + Integer.BYTES <= end; at += Integer.BYTES) {
            descriptors.add(Fd.own(control.getInt(at)));
        }
        return new ReceivedMessage(data.copy(0, length), descriptors);
    }
}
