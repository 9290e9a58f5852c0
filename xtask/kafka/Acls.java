import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Gives or takes one right to a topic: SERVERS add|remove USER OPERATION TOPIC. */
public class Acls {
    public static void main(String[] arguments) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]))) {
            AclOperation operation = AclOperation.valueOf(arguments[3]);
            AclBinding binding = new AclBinding(
                new ResourcePattern(ResourceType.TOPIC, arguments[4], PatternType.LITERAL),
                new AccessControlEntry("User:" + arguments[2], "*", operation, AclPermissionType.ALLOW));
            if (arguments[1].equals("add")) {
                admin.createAcls(List.of(binding)).all().get();
            } else {
                admin.deleteAcls(List.of(binding.toFilter())).all().get();
            }
        }
    }
}
