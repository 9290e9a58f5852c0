// The connector's own decoder (the time only) behind the protocol of `cargo xtask bench-tokens`: see
// xtask/src/commands/bench_tokens/peer.rs.
import com.mongodb.kafka.connect.util.ResumeTokenUtils;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.bson.BsonDocument;
import org.bson.BsonString;

public final class Peer {
  // The sum is what keeps the work from being optimised away, and tells that everybody read the same.
  private static long seconds(BsonDocument token) {
    return Integer.toUnsignedLong(ResumeTokenUtils.getTimestampFromResumeToken(token).getTime());
  }

  private static String readable(BsonDocument token) {
    try {
      seconds(token);
      return "1";
    } catch (RuntimeException refused) {
      return "0";
    }
  }

  private static String round(BsonDocument[] tokens, long millis) {
    long begun = System.nanoTime(), taken = 0, passes = 0, sum = 0;
    while (taken < millis * 1_000_000) {
      for (int pass = 0; pass < 32; pass++) {
        for (BsonDocument token : tokens) sum += seconds(token);
      }
      passes += 32;
      taken = System.nanoTime() - begun;
    }
    return passes + " " + taken + " " + sum;
  }

  public static void main(String[] arguments) throws Exception {
    BufferedReader orders = new BufferedReader(new InputStreamReader(System.in));
    BsonDocument[] tokens = {};
    for (String line; (line = orders.readLine()) != null; ) {
      String[] words = line.split(" ");
      if (words[0].equals("corpus")) {
        tokens = Arrays.stream(words[2].split(","))
            .map(text -> new BsonDocument("_data", new BsonString(text)))
            .toArray(BsonDocument[]::new);
        System.out.println(Arrays.stream(tokens).map(Peer::readable).collect(Collectors.joining()));
      } else {
        System.out.println(round(tokens, Long.parseLong(words[2])));
      }
    }
  }
}
